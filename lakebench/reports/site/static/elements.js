"use strict";
/* What pages are made of. Text of engines is never parsed as HTML: a child that is a string becomes a text node. */
lakebench.elements = (router) => {
  const h = (tag, properties, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(properties ?? {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key in made && !key.startsWith("aria") && key !== "list") made[key] = value;
      else made.setAttribute(key, value === true ? "" : value);
    }
    made.append(
      ...children
        .flat(Infinity)
        .filter((one) => one !== null && one !== undefined && one !== "" && one !== false)
        .map((one) => (typeof one === "number" ? String(one) : one)),
    );
    return made;
  };
  const link = (route, ...text) => h("a", { href: router.href(route) }, ...text);
  const away = (address, text = address) =>
    /^https?:\/\//.test(address) ? h("a", { href: address, rel: "noreferrer" }, text) : text;
  /* A text whose web addresses are links. */
  const linked = (text) => text.split(/(https?:\/\/[^\s;,)]+)/).map((part) => away(part));
  const number = (value) => value.toLocaleString("en");
  const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
  const chip = (state, caption = state.name) =>
    h(
      "span",
      { className: `chip ${state.letter}`, title: `${state.name}: ${state.meaning}` },
      h("b", { "aria-hidden": "true" }, state.letter),
      ` ${caption.replaceAll("_", " ")}`,
    );
  const label = (engine) => `${engine.name} ${engine.version}`;
  const engineLink = (engine) =>
    link(`engine/${router.segment(engine.name)}@${router.segment(engine.version)}`, label(engine));
  const cellRoute = (one) =>
    ["cell", one.feature.id, one.writer.name, ...(one.reader ? [one.reader.name] : [])].map(router.segment).join("/");
  const day = (text) => text.slice(0, 10);

  const table = (caption, head, rows, { layout = "", visible = true, notes = [] } = {}) =>
    h(
      "div",
      { className: "block" },
      h(
        "div",
        { className: "wide", tabIndex: 0, role: "region", "aria-label": caption },
        h(
          "table",
          { className: layout },
          h("caption", { className: visible ? "" : "unseen" }, caption),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              head.map((one) => (one === "" ? h("td") : h("th", { scope: "col" }, one))),
            ),
          ),
          h(
            "tbody",
            {},
            rows.map((row) =>
              h(
                "tr",
                {},
                row.map((one, index) => {
                  const cell = h(index ? "td" : "th", index ? {} : { scope: "row" });
                  cell.append(
                    ...[one]
                      .flat(Infinity)
                      .filter((part) => part !== null && part !== undefined && part !== "")
                      .map((part) => (typeof part === "number" ? number(part) : part)),
                  );
                  return cell;
                }),
              ),
            ),
          ),
        ),
      ),
      notes.map((one) => h("p", { className: "note" }, one)),
    );

  const choice = (name, title, options, value) =>
    h(
      "label",
      { className: "field" },
      h("span", {}, title),
      h(
        "select",
        { name },
        options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
      ),
    );
  const checks = (name, title, options, values) =>
    h(
      "fieldset",
      { className: "field" },
      h("legend", {}, title),
      h(
        "div",
        { className: "checks" },
        options.map(([key, text]) =>
          h("label", {}, h("input", { type: "checkbox", name, value: key, checked: values.includes(key) }), ` ${text}`),
        ),
      ),
    );
  /* A form whose values are the query of an address; where nothing is told else, each change goes there. */
  const form = (route, fields, { submit = "", names = {} } = {}) => {
    const go = (push) => {
      const values = new FormData(made),
        query = new URLSearchParams();
      for (const key of new Set(values.keys())) {
        const value = values.getAll(key).filter(Boolean).join(",");
        if (value) query.set(key, value);
      }
      router.go(typeof route === "function" ? route(values) : `${route}${query.size ? `?${query}` : ""}`, {
        push,
        keep: !push,
      });
    };
    const made = h(
      "form",
      {
        className: "picker",
        autocomplete: "off",
        ...names,
        onsubmit: (event) => {
          event.preventDefault();
          go(true);
        },
        oninput: () => {
          if (!submit) go(false);
        },
      },
      fields,
      submit ? h("button", { type: "submit", className: "primary" }, submit) : null,
    );
    return made;
  };
  const copy = (caption, text) => {
    const status = h("span", { role: "status", className: "note" });
    const write = async () => {
      try {
        await navigator.clipboard.writeText(text());
        status.textContent = "copied";
      } catch {
        const area = h("textarea", { value: text(), className: "unseen", "aria-label": caption });
        document.body.append(area);
        area.select();
        status.textContent = document.execCommand("copy") ? "copied" : "not copied: the browser does not allow it";
        area.remove();
      }
    };
    return h("span", { className: "copy" }, h("button", { type: "button", onclick: write }, caption), " ", status);
  };
  const code = (text) =>
    h(
      "div",
      { className: "code" },
      h("pre", { tabIndex: 0 }, text),
      copy("Copy", () => text),
    );
  const bar = (share, caption, kind = "") =>
    h(
      "span",
      { className: `bar ${kind}` },
      h("i", { style: `--share: ${Math.max(0.5, Math.min(100, share * 100)).toFixed(1)}%` }),
      h("b", {}, caption),
    );

  /* A list that may be long: regular-table draws the rows in sight, and we say how many there are and which these are. */
  const grid = (caption, head, rowCount, cellAt) => {
    const made = document.createElement("regular-table");
    Object.entries({ role: "region", tabindex: "0", "aria-label": `${caption}; scroll with the arrow keys` }).forEach(
      ([key, value]) => made.setAttribute(key, value),
    );
    made.setDataListener(async (x0, y0, x1, y1) => ({
      num_rows: rowCount(),
      num_columns: head.length,
      column_headers: head.slice(x0, x1).map((one) => [one]),
      data: head
        .slice(x0, x1)
        .map((_, column) =>
          Array.from({ length: Math.max(0, Math.min(y1, rowCount()) - y0) }, (_unused, row) =>
            cellAt(y0 + row, x0 + column),
          ),
        ),
    }));
    made.addStyleListener(() => {
      const inner = made.querySelector("table");
      inner.setAttribute("aria-rowcount", rowCount() + 1);
      inner.setAttribute("aria-label", caption);
      for (const head of inner.querySelectorAll("thead th")) head.setAttribute("scope", "col");
      for (const row of inner.querySelectorAll("tbody tr")) {
        const first = row.querySelector("td");
        const meta = first && made.getMeta(first);
        if (meta) row.setAttribute("aria-rowindex", meta.y + 2);
      }
    });
    return made;
  };
  return {
    h,
    link,
    away,
    linked,
    number,
    counted,
    chip,
    label,
    engineLink,
    cellRoute,
    day,
    table,
    choice,
    checks,
    form,
    copy,
    code,
    bar,
    grid,
  };
};
