"""The operator's commands: an archive is set up, and `vault worker` does the work."""

from __future__ import annotations

from tests.transfers.conftest import ARCHIVE, Scene, vault_command
from vault.formats.ageformat import new_identity


def test_the_commands_set_up_the_archive_and_do_the_work(scene: Scene) -> None:
    told = vault_command(scene, "transfer", "archive", ARCHIVE, "--agency", "pirha", "--fi", "Terveyskeskusarkisto", "--wait-days", "0", "--recipient",
                  f"archive={scene.recipient}", "--recipient", f"recovery={new_identity()[1]}", "--receipt-keys", str(scene.keys / "receipt-key.public.json"))  # fmt: skip
    assert "closed cases of pirha go to terveyskeskusarkisto" in told
    case = scene.closed()
    assert "1 transfers became due" in vault_command(scene, "worker", "--once")
    transfer = str(scene.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
    scene.approve(transfer)
    told = vault_command(scene, "worker", "--once")
    assert "packaged" in told
    assert "sent" in told
    assert "waits for its receipt" in told
    scene.leave_receipt(transfer)
    scene.free()
    told = vault_command(scene, "worker", "--once")
    assert "the archive has signed for it" in told
    assert "shredded, 3 keys" in told
    assert scene.state(transfer) == "shredded"
