/* Small helps where scripts run; every page works without them. No library: what is needed is this. */
"use strict";

(() => {
  /* A page out of the browser's memory may be another person's: ask for it anew (the back button after sign-out). */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  /* A double press sends once. The button stays focusable, so that nobody loses their place. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
    /* A download answers without leaving the page. */
    window.setTimeout(() => {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-disabled");
    }, 8000);
  });

  /* The faults of a form are read first. */
  const faults = document.getElementById("error-summary");
  if (faults) {
    faults.focus();
    document.title = `${faults.querySelector("h2").textContent} – ${document.title}`;
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#error-summary a");
    const field = link && document.getElementById(link.hash.slice(1));
    if (field) {
      event.preventDefault();
      field.focus();
    }
  });

  /* A region that is under way shows itself anew, while somebody is looking. */
  const refresh = async (region) => {
    try {
      const answer = await fetch(window.location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!document.dispatchEvent(new CustomEvent("vault:page", { detail: page, cancelable: true }))) return;
      const fresh = page.getElementById(region.id);
      if (fresh && fresh.innerHTML !== region.innerHTML) region.innerHTML = fresh.innerHTML;
      if (!fresh || !fresh.dataset.refresh) {
        window.location.reload();
        return;
      }
    } catch {
      /* Without a connection the page stays as it is; the link below the region asks again. */
    }
    plan(region);
  };
  const plan = (region) => {
    const wait = Number(region.dataset.refresh) * 1000;
    window.setTimeout(() => (document.hidden ? plan(region) : refresh(region)), wait);
  };
  for (const region of document.querySelectorAll("[data-refresh]")) plan(region);

  /* On paper nothing can be unfolded. */
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("main details:not([open])")];
    for (const one of unfolded) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of unfolded) one.open = false;
  });

  /* Print where a page offers it. */
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
