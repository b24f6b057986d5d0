// The page in the browser, when Voila serves it: a function that serve.py calls.
//
// ipywidgets' upload button opens a dialog by a click on an <input> that is not in the page. Here
// that click takes a dropped file instead, where there is one; and a file of more than maxBytes,
// too large for the connection, is stopped in the browser.
(maxBytes) => {
  let dropped = null;
  const status = () => document.querySelector(".shop [role=status]");
  const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
  const set = (node, name, value) => {
    if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
  };
  const name = () => {  // what ipywidgets leaves without a name, or without a role
    const shop = document.querySelector(".shop");
    if (!shop || !status()) return;
    const { from, to } = status().dataset;
    document.documentElement.lang = shop.classList.contains("zh") ? "zh" : "en";
    set(shop, "role", "main");
    set(shop.querySelector(".bar"), "role", "search");
    set(shop.querySelector(".found"), "aria-busy", String(shop.classList.contains("busy")));
    for (const slider of shop.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector(".widget-label").textContent;
      const handles = [...slider.querySelectorAll("[role=slider]")];
      handles.forEach((handle, n) => set(handle, "aria-label",
        handles.length < 2 ? label : fill(n ? to : from, { name: label })));
    }
  };
  new MutationObserver(name).observe(document.documentElement,
    { subtree: true, childList: true, attributeFilter: ["class"] });
  const open = HTMLInputElement.prototype.click;
  HTMLInputElement.prototype.click = function () {
    if (this.type !== "file") return open.call(this);
    if (!this.guarded) {
      this.guarded = true;
      this.addEventListener("change", (event) => {
        const file = this.files[0];
        if (!file || file.size <= maxBytes) return;
        event.stopImmediatePropagation();
        status().textContent = fill(status().dataset.large,
          { name: file.name, size: Math.round(file.size / 1e6) });
      }, { capture: true });
    }
    if (!dropped) return open.call(this);
    this.files = dropped;
    dropped = null;
    this.dispatchEvent(new Event("change"));
  };
  addEventListener("change", (event) => {
    if (!event.target.closest(".shop .bar input")) return;
    const heading = document.querySelector(".shop .heading"), before = heading.innerHTML;
    setTimeout(() => {  // the kernel has ended: the list on show is none of this query's
      if (heading.innerHTML !== before) return;
      document.querySelector(".shop").classList.add("busy");
      status().textContent = status().dataset.silent;
    }, 10_000);
  });
  addEventListener("click", (event) => {  // another list: start at its top
    if (event.target.closest(".shop .card button, .shop .pages button"))
      document.querySelector(".shop .heading").scrollIntoView();
  });
  const over = (event, on) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", on);
  };
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => over(event, false));
  addEventListener("drop", (event) => {
    over(event, false);
    const button = document.querySelector(".shop .widget-upload");
    if (!button || !event.dataTransfer.files.length) return;
    dropped = event.dataTransfer.files;
    button.click();
  });
}
