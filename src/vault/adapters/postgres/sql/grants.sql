-- Who may do what. The service's role holds no table at all: it calls functions. Run last, again after every change.

DO $revoke$
DECLARE
    f record;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO vault_owner, vault_service, vault_tokens, vault_worker, vault_sequencer, vault_monitor', current_database());
    REVOKE ALL ON SCHEMA vault FROM PUBLIC;
    FOR f IN SELECT p.oid::regprocedure AS name, p.prosecdef, p.prokind FROM pg_proc p WHERE p.pronamespace = 'vault'::regnamespace LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC, vault_service, vault_tokens, vault_worker, vault_sequencer, vault_monitor',
            CASE f.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, f.name);
        EXECUTE format('GRANT EXECUTE ON %s %s TO vault_door', CASE f.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, f.name);
    END LOOP;
END
$revoke$;

GRANT USAGE ON SCHEMA vault TO vault_door, vault_service, vault_tokens, vault_worker, vault_sequencer, vault_monitor;

-- The door's role reads facts and adds to them; it can change only versions, clearances and wrapped keys, and no entry, ever.
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA vault TO vault_door;
REVOKE INSERT ON vault.migration, vault.catalogue_type, vault.entry_position FROM vault_door;
GRANT UPDATE ON vault.fact_version, vault.clearance, vault.process, vault.idempotency, vault.transfer_claim, vault.transfer_progress TO vault_door;
GRANT UPDATE (parent, wrapped) ON vault.wrapped_key TO vault_door;
-- A session's idle end moves with its use; its language is the person's choice.
GRANT UPDATE (expires_at) ON vault.token TO vault_door;
GRANT UPDATE (language) ON vault.session TO vault_door;
GRANT DELETE ON vault.clearance, vault.process, vault.idempotency, vault.wrapped_key, vault.burnt, vault.token, vault.token_end, vault.identity_offer TO vault_door;
GRANT UPDATE, DELETE ON vault.export_claim TO vault_door;
GRANT DELETE ON vault.export_paper TO vault_door;
-- Row locks need UPDATE on some column; none of these is ever updated.
GRANT UPDATE (object) ON vault.attempt TO vault_door;

GRANT EXECUTE ON FUNCTION
    vault.ask, vault.take, vault.end_release, vault.renew, vault.reserve, vault.case_open, vault.case_refer, vault.member_add, vault.member_end, vault.document_add,
    vault.document_filed, vault.attempt_give_up, vault.document_mark, vault.consent_record, vault.consent_withdraw, vault.prohibition_record,
    vault.prohibition_end, vault.pause, vault.resume, vault.client_language, vault.consent_confirm, vault.client_change, vault.client_died, vault.explain, vault.notice_acknowledge,
    vault.case_close, vault.case_reopen, vault.hold_add, vault.hold_end, vault.authority_record, vault.authority_end, vault.authority_bar,
    vault.identity_offer, vault.identity_link,
    vault.request_make, vault.request_step, vault.request_look, vault.copy_begin, vault.withhold, vault.restriction_notice, vault.restriction_end,
    vault.misfiled_decide, vault.difference_end, vault.fee_set, vault.fee_answer,
    vault.transfer_approve, vault.transfer_reject, vault.transfer_receive, vault.transfer_expected, vault.archive_request_answer TO vault_service;
GRANT EXECUTE ON PROCEDURE vault.door TO vault_service, vault_worker;
GRANT EXECUTE ON FUNCTION vault.ask, vault.take TO vault_worker;
GRANT EXECUTE ON FUNCTION vault.forget_expired, vault.sweep_releases, vault.sweep_attempts, vault.objects_abandoned, vault.filed_objects,
    vault.transfers_find, vault.transfer_take_up, vault.transfer_keep, vault.transfer_done, vault.transfer_receive, vault.transfer_expected,
    vault.case_shred, vault.transfer_objects, vault.transfer_prepare, vault.transfer_tell,
    vault.rotation_take_up, vault.keys_rewrapped, vault.epochs_destroy, vault.rotation_end
    TO vault_worker;
GRANT EXECUTE ON FUNCTION vault.application_record, vault.token_record, vault.token_revoke, vault.burn, vault.providers, vault.visitor_record,
    vault.session_record, vault.session_record_staff, vault.session_touch, vault.session_end, vault.session_language, vault.session_act_for TO vault_tokens;

GRANT EXECUTE ON FUNCTION vault.export_order, vault.export_order_for, vault.export_hand_over, vault.export_remove, vault.export_sent TO vault_service;
GRANT EXECUTE ON FUNCTION vault.export_take_up, vault.export_keep, vault.export_entries, vault.export_openings, vault.export_made, vault.export_failed,
    vault.exports_expire, vault.export_objects, vault.attempt_give_up
    TO vault_worker;

GRANT SELECT ON vault.entry, vault.entry_pending, vault.entry_position, vault.consent, vault.provision, vault.withdrawal TO vault_monitor;
GRANT SELECT ON vault.entry_position TO vault_sequencer;

-- SECURITY DEFINER functions run as the role that cannot log in.
GRANT CREATE ON SCHEMA vault TO vault_door;
DO $own$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT p.oid::regprocedure AS name FROM pg_proc p
             WHERE p.pronamespace = 'vault'::regnamespace AND p.prosecdef AND p.proowner <> 'vault_door'::regrole LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO vault_door', f.name);
    END LOOP;
END
$own$;
REVOKE CREATE ON SCHEMA vault FROM vault_door;

-- The log's tree: appended to by the sequencer alone, and through its functions alone; readable by everyone who serves or checks it.
GRANT INSERT ON vault.entry_position TO vault_door;
GRANT DELETE ON vault.entry_pending, vault.checkpoint TO vault_door;
GRANT UPDATE ON vault.tree, vault.tree_tile, vault.checkpoint TO vault_door;
GRANT EXECUTE ON FUNCTION vault.tree_begin, vault.tree_batch, vault.tree_append, vault.checkpoint_publish, vault.checkpoint_cosign TO vault_sequencer;
GRANT EXECUTE ON FUNCTION vault.log_checkpoints, vault.log_tiles, vault.log_place TO vault_service, vault_sequencer, vault_worker;
GRANT SELECT ON vault.tree, vault.tree_tile, vault.checkpoint TO vault_monitor;
GRANT EXECUTE ON FUNCTION vault.report_begin, vault.report_page TO vault_monitor;
GRANT EXECUTE ON FUNCTION vault.log_restarted, vault.log_window TO vault_service, vault_sequencer;
