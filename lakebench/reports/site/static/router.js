"use strict";
/* Every state of the site is an address: paths and queries where a server answers, #/… in a file. */
lakebench.router = (segment) => {
  const { root, route: own, single } = document.documentElement.dataset;
  const inFile = single !== undefined || !/^https?:$/.test(location.protocol);
  const base = new URL(root, location.href);
  const start = single === undefined ? new URL("index.html", base).href : location.href.replace(/#.*/, "");
  const href = (route) => {
    if (inFile) return `${start}#/${route}`;
    const [path, query] = route.split("?");
    return new URL(`${path}${path ? "/" : ""}${query ? `?${query}` : ""}`, base).href;
  };
  const current = () => {
    const text = inFile
      ? location.hash.startsWith("#/")
        ? location.hash.slice(2)
        : own
      : location.pathname.slice(base.pathname.length).replace(/(index\.html|\/)$/, "") + location.search;
    const [path, query] = text.split("?");
    return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query ?? "") };
  };
  let show = () => {};
  const go = (route, { push = true, keep = false } = {}) => {
    const address = href(route);
    if (inFile && address.replace(/#.*/, "") !== location.href.replace(/#.*/, "")) {
      location.href = address;
      return;
    }
    history[push ? "pushState" : "replaceState"](null, "", address);
    show(keep);
  };
  /* A click on an address of ours changes the page without loading it. */
  const isOurs = (anchor) =>
    !anchor.target &&
    !anchor.hasAttribute("download") &&
    (inFile
      ? anchor.href.startsWith(`${start}#/`)
      : anchor.href.startsWith(base.href) && !/\.\w+$/.test(new URL(anchor.href).pathname.split("/").pop() ?? ""));
  const begin = (render) => {
    show = render;
    addEventListener("popstate", () => show(false));
    document.addEventListener("click", (event) => {
      const anchor = event.target instanceof Element ? event.target.closest("a[href]") : null;
      if (
        !anchor ||
        event.defaultPrevented ||
        event.button ||
        event.metaKey ||
        event.ctrlKey ||
        event.shiftKey ||
        event.altKey
      )
        return;
      if (anchor.classList.contains("skip")) {
        event.preventDefault();
        document.getElementById("main").focus();
        return;
      }
      if (!isOurs(anchor)) return;
      event.preventDefault();
      if (anchor.href !== location.href) {
        if (inFile && anchor.href.replace(/#.*/, "") !== location.href.replace(/#.*/, "")) {
          location.href = anchor.href;
          return;
        }
        history.pushState(null, "", anchor.href);
      }
      show(false);
    });
    for (const anchor of document.querySelectorAll("a[data-route]")) anchor.href = href(anchor.dataset.route);
    show(true);
  };
  return {
    href,
    go,
    current,
    begin,
    segment,
    inFile,
    single: single !== undefined,
    file: (path) => new URL(path, base).href,
  };
};
