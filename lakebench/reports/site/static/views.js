"use strict";
/* The pages about stacks, features and cells. Each view gives a title, its content, and what to do when only the query
   changes. */
lakebench.views = (store, router, elements) => {
  const {
    h,
    link,
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
    grid,
  } = elements;
  const seg = router.segment;
  const options = (side) =>
    store
      .engines(side)
      .flatMap((list) =>
        list.flatMap((one, index) => {
          const newest = [
            one.name,
            list.length > 1 ? `${one.name} (newest, ${one.version})` : `${one.name} ${one.version}`,
          ];
          return index === 0 ? [newest] : [[`${one.name}@${one.version}`, `${one.name} ${one.version}`]];
        }),
      )
      .filter(([key]) => side !== "writer" || key !== "reference");
  const list = (text) => (text ?? "").split(",").filter(Boolean);
  const unknown = (what, name, route, title) => ({
    title: "Not here",
    node: [h("p", {}, `No ${what} is called “${name}” here.`), h("p", {}, link(route, title))],
  });
  const cellLink = (row, caption) => {
    const one = store.cell(row);
    return link(cellRoute(one), chip(one.state, caption));
  };
  const pairName = (one) => `${one.writer.name}${one.reader ? ` → ${one.reader.name}` : " writes"}`;
  const reference = (engine) =>
    engine.choosable && engine.version !== "unknown" ? `${engine.name}@${engine.version}` : engine.name;
  /* What to type in a fresh clone. A version that a command may choose is in it; the others are those of the clone. */
  const command = (one) =>
    `lakebench run interop --features ${one.feature.id} --writers ${reference(one.writer)}${one.reader ? ` --readers ${reference(one.reader)}` : ""}${one.catalog && one.catalog !== "rest" ? ` --catalog ${one.catalog}` : ""}`;
  const commitOf = (one) => {
    const commit = store.data.runs.find((run) => run.id === one.source.id)?.harness.commit ?? "";
    return /^[0-9a-f]{40}$/.test(commit) ? commit : "";
  };
  const reproducer = (one) =>
    [...(commitOf(one) ? [`git checkout ${commitOf(one)}`] : []), "make setup", `.venv/bin/${command(one)}`].join("\n");
  const locked = (one) => [one.writer, one.reader].filter((each) => each && reference(each) === each.name).map(label);

  /* /stack */
  const stackPicker = (query, submit = "") => {
    const writer = query.get("w") ?? "spark";
    return form(
      "stack",
      [
        choice("w", "I write with", options("writer"), writer),
        checks("r", "and read with", options("reader"), list(query.get("r") ?? (submit ? "trino,duckdb" : ""))),
      ],
      { submit },
    );
  };
  const stackRows = (query) => {
    const writer = query.get("w") ?? "",
      readers = list(query.get("r"));
    return { writer, readers, rows: writer ? store.stack(writer, readers) : [] };
  };
  const stackAnswer = (query) => {
    const { writer, readers, rows } = stackRows(query);
    if (!writer) return [h("p", {}, "Choose what you write with, and what you read with.")];
    const avoid = rows.filter((one) => one.advice.avoid),
      show = query.get("show") ?? "";
    const order = store.advice;
    const shown = [
      ...(show === "all" ? rows : show ? rows.filter((one) => one.advice.key === show) : avoid),
    ].sort((a, b) => order.indexOf(a.advice) - order.indexOf(b.advice));
    const heads = ["feature", "why", `${writer} writes`, ...readers.map((one) => `${one} reads`)];
    /* A reader has no part in what was not written. */
    const step = (one, link) => (!one ? "–" : one.row < 0 ? "not measured" : link(one.row));
    const line = (one, link) => [step(one.write, link), ...readers.map((_, index) => step(one.reads[index], link))];
    const lines = shown.map((one) => [
      link(`feature/${seg(one.feature.id)}`, one.feature.title),
      one.advice.text,
      ...line(one, (row) => cellLink(row)),
    ]);
    const plain = () =>
      shown.map((one) => [one.feature.title, one.advice.text, ...line(one, (row) => store.cell(row).state.name)]);
    const count = (key) => rows.filter((one) => one.advice.key === key).length;
    const address = (value) => {
      const next = new URLSearchParams(query);
      if (value) next.set("show", value);
      else next.delete("show");
      return `stack?${next}`;
    };
    const tile = (value, caption, amount) =>
      h(
        "li",
        {},
        h(
          "a",
          { className: "tile", href: router.href(address(value)), "aria-current": show === value ? "true" : null },
          h("b", {}, number(amount)),
          " ",
          caption,
        ),
      );
    return [
      h(
        "p",
        { className: `verdict ${count("wrong") ? "bad" : avoid.length ? "fair" : "good"}`, role: "status" },
        `Avoid ${avoid.length} of ${rows.length} features`,
        count("wrong") ? `; ${number(count("wrong"))} of them silently wrong` : "",
        count("unknown") ? `; ${number(count("unknown"))} not known` : "",
        ".",
      ),
      h(
        "ul",
        { className: "tiles" },
        tile("", "to avoid", avoid.length),
        order.filter((one) => count(one.key)).map((one) => tile(one.key, one.text, count(one.key))),
        tile("all", "all", rows.length),
      ),
      h(
        "p",
        { className: "tools" },
        copy("Copy as Markdown", () => markdown(heads, plain())),
        " ",
        copy("Copy as CSV", () => csv(heads, plain())),
      ),
      table(
        `${writer} writes, ${readers.join(" and ") || "nobody"} ${readers.length > 1 ? "read" : "reads"}`,
        heads,
        lines,
      ),
    ];
  };
  const escape = (text) =>
    String(text)
      .replace(/([\\`*_[\]|<>])/g, "\\$1")
      .replace(/\s+/g, " ");
  const markdown = (heads, rows) =>
    [heads, heads.map(() => "---"), ...rows]
      .map((row, index) => `| ${row.map((one) => (index === 1 ? one : escape(one))).join(" | ")} |`)
      .join("\n");
  /* A cell that a spreadsheet would take for a formula begins with an apostrophe. */
  const csv = (heads, rows) =>
    [heads, ...rows]
      .map((row) =>
        row
          .map(
            (one) =>
              `"${String(one)
                .replace(/^[=+\-@\t\r]/, "'$&")
                .replaceAll('"', '""')}"`,
          )
          .join(","),
      )
      .join("\r\n");
  const stack = (_parts, query) => {
    const result = h("div", {}, stackAnswer(query));
    return {
      title: "My stack",
      node: [
        h(
          "p",
          { className: "lead" },
          "Which features to avoid: the writer cannot write them, a reader refuses them, or reads them silently wrong.",
        ),
        stackPicker(query),
        result,
      ],
      update: (next) => result.replaceChildren(...stackAnswer(next).flat()),
    };
  };

  /* /feature */
  const features = () => {
    const groups = [...new Set(store.features.map((one) => one.group))];
    return {
      title: "Features",
      node: groups.map((group) => [
        h("h2", {}, group),
        h(
          "ul",
          { className: "columns" },
          store.features
            .filter((one) => one.group === group)
            .map((one) => h("li", {}, link(`feature/${seg(one.id)}`, one.title))),
        ),
      ]),
    };
  };
  const feature = ([, id]) => {
    const one = store.feature(id);
    if (!one) return unknown("feature", id, "feature", "All features");
    const writers = store.engines("writer").map((list) => list[0].name),
      readers = store.engines("reader").map((list) => list[0].name);
    const written = writers.filter(
      (name) => store.find(one.id, name, "") >= 0 || readers.some((reader) => store.find(one.id, name, reader) >= 0),
    );
    const square = (writer, reader) => {
      const row = store.find(one.id, writer, reader);
      return row < 0 ? "–" : cellLink(row);
    };
    const heading = (name, side) => {
      const found = store.find(one.id, side === "writer" ? name : (written[0] ?? ""), side === "reader" ? name : "");
      return found < 0 ? name : label(store.cell(found)[side]);
    };
    const claims = store.data.claims;
    const claimRows = claims.columns.feature.flatMap((at, row) =>
      store.features[at] === one
        ? [
            [
              engineLink(store.versions[claims.columns.engine[row]]),
              claims.columns.support[row],
              claims.columns.since[row] || "–",
              linked(claims.sources[claims.columns.source[row]]),
            ],
          ]
        : [],
    );
    const past = [];
    for (const engines of store.engines("engine"))
      for (const engine of engines) {
        const own = store.own(engine.name, engine.version).filter((row) => store.cell(row).feature === one);
        const writes = own.filter((row) => !store.cell(row).reader),
          reads = own.filter((row) => store.cell(row).reader);
        const judged = store.score(reads);
        if (own.length)
          past.push([
            engineLink(engine),
            writes.length ? cellLink(writes[0]) : "–",
            judged.judged.length ? `${judged.passed.length} of ${judged.judged.length}` : "–",
            day(store.cell(own[0]).source.date),
          ]);
      }
    return {
      title: one.title,
      node: [
        h(
          "p",
          { className: "lead" },
          `${one.group}, format version ${one.format || "unknown"}. `,
          one.source ? ["Source: ", linked(one.source), "."] : "",
        ),
        table(
          "Who reads what each wrote",
          ["written by", "the write", ...readers.map((name) => heading(name, "reader"))],
          written.map((name) => [
            heading(name, "writer"),
            square(name, ""),
            ...readers.map((reader) => square(name, reader)),
          ]),
          { layout: "matrix", notes: ["Each cell at the newest versions that were measured."] },
        ),
        legend(),
        h("h2", {}, "By version"),
        table("By version", ["engine", "writes it", "reads it right, of judged", "measured on"], past, {
          visible: false,
        }),
        claimRows.length
          ? [
              h("h2", {}, "What the engines claim"),
              table("What the engines claim", ["engine", "support", "since", "source"], claimRows, { visible: false }),
            ]
          : null,
        one.program.length
          ? [
              h("h2", {}, "What the writer is asked to do"),
              h(
                "ol",
                { className: "program" },
                one.program.map((step) => h("li", {}, step)),
              ),
            ]
          : null,
        h(
          "p",
          {},
          link(`cells?q=${encodeURIComponent(one.id)}`, "All cells of this feature as a list"),
          router.single ? null : [" · ", h("a", { href: router.file(`feature/${seg(one.id)}/feature.json`) }, "JSON")],
        ),
      ],
    };
  };
  const legend = () =>
    h(
      "p",
      { className: "legend" },
      store.states.map((one) => h("span", {}, chip(one), ` ${one.meaning}`)),
    );

  /* /cell */
  const cell = ([, id, writerPart, readerPart], query) => {
    const one = store.feature(id),
      writer = store.nameOf(writerPart ?? ""),
      reader = readerPart ? store.nameOf(readerPart) : "";
    const behind =
      one && writer && reader !== undefined
        ? store.catalogs.filter((_, index) => store.history(one.id, writer, reader, index).length)
        : [];
    const at = behind.includes(query.get("c")) ? query.get("c") : behind[0];
    const past = behind.length ? store.history(one.id, writer, reader, store.catalogs.indexOf(at)) : [];
    if (!past.length)
      return unknown("cell", [id, writerPart, readerPart].filter(Boolean).join("/"), "feature", "All features");
    const now = store.cell(store.find(one.id, writer, reader, store.catalogs.indexOf(at)));
    const route = cellRoute(now),
      badge = router.file(`${route}/badge.svg`);
    const versions = [engineLink(now.writer), now.reader ? [" wrote, ", engineLink(now.reader), " read"] : " wrote"];
    return {
      title: `${one.title}: ${now.reader ? `${now.writer.name} writes, ${now.reader.name} reads` : `${now.writer.name} writes`}`,
      node: [
        h(
          "p",
          { className: "outcome" },
          chip(now.state),
          " ",
          now.state.meaning,
          now.verdict ? [" · ", h("b", {}, now.verdict)] : "",
        ),
        h(
          "p",
          {},
          versions,
          ` · ${now.source.accepted ? "accepted" : "measured"} on ${day(now.source.date)} · `,
          link(`feature/${seg(one.id)}`, "the feature"),
          now.reader ? [" · ", link(cellRoute({ ...now, reader: null }), "its write")] : "",
          behind
            .filter((each) => each !== at)
            .map((each) => [" · ", link(`${cellRoute(now)}?c=${encodeURIComponent(each)}`, `behind ${each}`)]),
        ),
        now.reason ? [h("h2", {}, "What was said"), h("pre", { tabIndex: 0 }, linked(now.reason))] : null,
        now.known ? h("p", {}, "Known: ", linked(now.known)) : null,
        h("h2", {}, "History"),
        h(
          "ol",
          { className: "strip" },
          past.map((row) => {
            const then = store.cell(row);
            return h(
              "li",
              {},
              chip(then.state),
              h(
                "span",
                {},
                `${then.writer.name} ${then.writer.version}${then.reader ? `, ${then.reader.name} ${then.reader.version}` : ""}`,
              ),
              h("span", { className: "note" }, day(then.source.date), then.source.accepted ? " accepted" : ""),
              store.data.history.outcomes[row] ? h("b", {}, store.data.history.outcomes[row]) : null,
            );
          }),
        ),
        h("h2", {}, "Run it again"),
        code(reproducer(now)),
        h(
          "p",
          { className: "note" },
          "In a clone of lakebench. ",
          locked(now).length ? `${locked(now).join(" and ")}: as that clone has it locked. ` : "",
          `All versions: ${now.writer.components || label(now.writer)}${now.reader ? `; ${now.reader.components || label(now.reader)}` : ""}. From ${now.source.id}.`,
          now.source.reason ? ` ${now.source.reason}` : "",
        ),
        router.single
          ? null
          : [
              h("h2", {}, "Link to it"),
              h(
                "p",
                {},
                h("img", { src: badge, alt: `${pairName(now)}: ${now.state.name}`, height: 20 }),
                " ",
                copy(
                  "Copy the badge as Markdown",
                  () => `[![${one.id}: ${pairName(now)}](${badge})](${router.file(`${route}/`)})`,
                ),
                " · ",
                h("a", { href: router.file(`${route}/cell.json`) }, "JSON"),
              ),
            ],
      ],
    };
  };

  /* /cells */
  const cells = (_parts, query) => {
    const values = (from) => Object.fromEntries(["q", "w", "r", "s", "g"].map((key) => [key, from.get(key) ?? ""]));
    let rows = store.filter(values(query));
    const said = h("p", { role: "status", className: "note" }),
      say = () => {
        said.textContent = `${counted(rows.length, "cell")} of ${number(store.current.length)}, each at its newest versions.`;
      };
    const all = [["", "all"]],
      groups = [...new Set(store.features.map((one) => one.group))];
    const names = (side) => store.engines(side).map((list) => [list[0].name, list[0].name]);
    const parts = [
      (one) => link(cellRoute(one), one.feature.id),
      (one) => label(one.writer),
      (one) => (one.reader ? label(one.reader) : "– (the write)"),
      (one) => chip(one.state),
      (one) => one.verdict || "–",
      (one) => day(one.source.date),
    ];
    const list = grid(
      "Cells",
      ["feature", "writer", "reader", "outcome", "verdict", "date"],
      () => rows.length,
      (row, column) => parts[column](store.cell(rows[row])),
    );
    const search = h(
      "label",
      { className: "field" },
      h("span", {}, "Find a feature"),
      h("input", { type: "search", name: "q", value: query.get("q") ?? "" }),
    );
    say();
    return {
      title: "All cells",
      wide: true,
      node: [
        form("cells", [
          search,
          choice("w", "writer", [...all, ...names("writer")], query.get("w") ?? ""),
          choice("r", "reader", [...all, ...names("reader")], query.get("r") ?? ""),
          choice("s", "outcome", [...all, ...store.states.map((one) => [one.name, one.name])], query.get("s") ?? ""),
          choice("g", "group", [...all, ...groups.map((one) => [one, one])], query.get("g") ?? ""),
        ]),
        said,
        h("div", { className: "grid" }, list),
        h("p", { className: "print note" }, "On paper only the rows in sight are shown: data/cells.parquet has all."),
      ],
      ready: () => list.draw(),
      update: (next) => {
        rows = store.filter(values(next));
        say();
        list.scrollTop = 0;
        list.draw({ invalid_viewport: true });
      },
    };
  };

  return { stack, stackPicker, features, feature, cell, cells, shared: { unknown, cellLink, pairName, command } };
};
