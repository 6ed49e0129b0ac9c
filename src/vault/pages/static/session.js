/* The end of a session: told three minutes before it comes, and put off by one press. */
"use strict";

(() => {
  const WARN_MS = 3 * 60 * 1000;
  const region = document.getElementById("session");
  const said = document.getElementById("session-said");
  const failed = region.querySelector(".session-failed");
  const tabs = new BroadcastChannel("vault-session");
  let endsAt = 0;
  let phase = "calm";

  const part = (root, when) => root.querySelector(`[data-when="${when}"]`);

  const show = (next) => {
    if (next === phase) return;
    phase = next;
    region.dataset.phase = next;
    for (const one of region.querySelectorAll("[data-when]")) one.hidden = one.dataset.when !== next;
    region.querySelector(".session-press").hidden = next === "over";
    said.textContent = part(region, next).textContent;
  };

  /* What is shown goes with the session; what somebody may have written stays. */
  const over = () => {
    if (phase === "over") return;
    show("over");
    if (!document.querySelector("main textarea, main select, main input:not([type=hidden])")) {
      window.location.replace(window.location.pathname + window.location.search);
    }
  };

  const look = () => {
    const left = endsAt - Date.now();
    if (left <= 0) over();
    else show(left > WARN_MS ? "calm" : "soon");
  };

  /* Somebody signed in anew in this browser, or acts for somebody else: that session says nothing of this one. */
  const isAnothers = (page) => {
    const fresh = page.getElementById("session");
    return fresh !== null && fresh.dataset.session !== region.dataset.session;
  };

  /* A page that came later knows more than this one. */
  const learn = (page) => {
    const fresh = page.getElementById("session");
    if (!fresh) return;
    for (const one of fresh.querySelectorAll("[data-when]")) part(region, one.dataset.when).innerHTML = one.innerHTML;
    if (fresh.dataset.last !== region.dataset.last) {
      region.querySelector(".session-press").innerHTML = fresh.querySelector(".session-press").innerHTML;
    }
    region.dataset.left = fresh.dataset.left;
    region.dataset.last = fresh.dataset.last;
    begin();
  };

  const begin = () => {
    endsAt = Date.now() + Number(region.dataset.left) * 1000;
    tabs.postMessage({
      session: region.dataset.session, left: region.dataset.left,
      calm: part(region, "calm").textContent, soon: part(region, "soon").textContent,
    });
    look();
  };

  /* Another window of this session was used: its end has moved for all of them. */
  tabs.addEventListener("message", (event) => {
    if (event.data.session !== region.dataset.session) return;
    if (phase === "over" || Number(event.data.left) * 1000 <= endsAt - Date.now()) return;
    endsAt = Date.now() + Number(event.data.left) * 1000;
    for (const when of ["calm", "soon"]) part(region, when).textContent = event.data[when];
    look();
  });

  region.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error",
      });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.status === 401 || isAnothers(page)) {
        over();
        return;
      }
      if (!answer.ok) throw new Error();
      learn(page);
      failed.hidden = true;
      said.textContent = part(region, phase).textContent;
    } catch {
      failed.hidden = false;
      said.textContent = failed.textContent;
    }
  });

  document.addEventListener("vault:page", (event) => {
    if (isAnothers(event.detail)) {
      event.preventDefault();
      over();
    } else learn(event.detail);
  });
  document.addEventListener("visibilitychange", look);
  window.setInterval(look, 1000);
  begin();
})();
