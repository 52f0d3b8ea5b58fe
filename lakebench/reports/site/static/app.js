"use strict";
/* From the address to the page. */
(() => {
  const began = performance.now();
  const embedded = document.getElementById("data");
  const store = lakebench.store(embedded ? JSON.parse(embedded.textContent) : lakebench.data);
  const router = lakebench.router(store.segment);
  const elements = lakebench.elements(router);
  const views = lakebench.views(store, router, elements);
  const engines = lakebench.engines(store, router, elements, views.shared);
  const speed = lakebench.speed(store, router, elements);
  const catalogs = lakebench.catalogs(store, router, elements);
  const facts = lakebench.facts(store, router, elements, { ...views, ...engines, ...speed });
  const unknown = () => ({
    title: "Not here",
    node: elements.h("p", {}, "There is no such page. ", elements.link("", "The first page")),
  });
  const pages = {
    "": facts.home,
    changes: facts.changes,
    stack: views.stack,
    cells: views.cells,
    cell: views.cell,
    speed: speed.speed,
    reports: facts.reports,
    data: facts.files,
    method: facts.method,
  };
  const nested = {
    feature: [views.features, views.feature],
    engine: [engines.engines, engines.engine],
    upgrade: [engines.upgrades, engines.upgrade],
    runs: [facts.runs, facts.run],
    catalogs: [catalogs.catalogs, catalogs.catalog],
  };
  const viewOf = (parts) => {
    const [first = ""] = parts;
    if (Object.hasOwn(nested, first)) return nested[first][parts.length > 1 ? 1 : 0];
    return Object.hasOwn(pages, first) ? pages[first] : unknown;
  };
  const main = document.getElementById("main");
  let shown = { path: null };
  const render = (keep) => {
    const { parts, query } = router.current(),
      path = parts.join("/");
    if (keep && shown.path === path && shown.view.update) {
      shown.view.update(query);
      return;
    }
    const first = shown.path === null;
    const view = viewOf(parts)(parts, query);
    const heading = elements.h("h1", { tabIndex: -1 }, view.title);
    main.classList.toggle("whole", Boolean(view.wide));
    main.replaceChildren(heading, ...[view.node].flat(Infinity).filter(Boolean));
    document.title = `${view.title} – lakebench`;
    for (const anchor of document.querySelectorAll("nav a[data-route]")) {
      if (anchor.dataset.route === (parts[0] ?? "")) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
    }
    shown = { path, view };
    view.ready?.();
    if (!first) {
      scrollTo(0, 0);
      heading.focus({ preventScroll: true });
    }
  };
  router.begin(render);
  document.documentElement.dataset.ready = (performance.now() - began).toFixed(0);
})();
