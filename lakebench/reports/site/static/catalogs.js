"use strict";
/* What REST catalogs answer to the checks of phase 11: all of them side by side, and a page for each. */
lakebench.catalogs = (store, router, elements) => {
  const { h, link, number, counted, chip, label, day, table, choice, form, code } = elements;
  const seg = router.segment,
    columns = store.data.catalogs,
    FAILURES = ["WRONG", "CRASH", "TIMEOUT", "OUT_OF_MEMORY", "REFUSED"];
  const checks = columns.catalog.map((_, row) =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[row]])),
  );
  const names = [...new Set(columns.catalog)].sort();
  const ran = (one) => one.state === "PASS" || FAILURES.includes(one.state);
  const nameOf = (one) => `${one.check}${one.who ? ` ${one.who}` : ""}`;
  const chipOf = (one) => chip(store.states.find((each) => each.name === one.state));
  const RUN = "lakebench run phase11 --catalog rest,nessie";

  const tally = (list) => {
    const judged = list.filter(ran),
      passed = judged.filter((one) => one.state === "PASS");
    return judged.length ? `${number(passed.length)} of ${number(judged.length)}` : "–";
  };
  const bySubject = () => {
    const subjects = [...new Set(columns.subject)];
    const line = (title, fits) => [
      title,
      ...names.map((name) => tally(checks.filter((one) => one.catalog === name && fits(one)))),
    ];
    return table(
      "Checks that passed, of those that ran",
      ["subject", ...names.map((name) => link(`catalogs/${seg(name)}`, name))],
      [
        line("all that the specification requires", (one) => one.level === "must"),
        ...subjects.map((subject) => line(subject, (one) => one.subject === subject)),
      ],
      { layout: "figures matrix" },
    );
  };
  const matrix = (query) => {
    const subject = query.get("t") ?? "";
    const found = new Map();
    for (const one of checks)
      if (!subject || one.subject === subject)
        found.set(nameOf(one), { ...(found.get(nameOf(one)) ?? { all: {} }), subject: one.subject, level: one.level });
    for (const one of checks) if (found.has(nameOf(one))) found.get(nameOf(one)).all[one.catalog] = one;
    const rows = [...found].filter(
      ([, line]) => query.get("all") === "1" || Object.values(line.all).some((one) => FAILURES.includes(one.state)),
    );
    return [
      h("p", { className: "note", role: "status" }, `${counted(rows.length, "check")} of ${number(found.size)}.`),
      table(
        "Every check",
        ["check", "level", ...names],
        rows.map(([name, line]) => [
          name,
          line.level,
          ...names.map((catalog) =>
            line.all[catalog] ? link(`catalogs/${seg(catalog)}`, chipOf(line.all[catalog])) : "–",
          ),
        ]),
        { layout: "matrix checks-by-name", visible: false },
      ),
    ];
  };
  const engineTable = () => {
    const counts = new Map();
    for (const row of store.current) {
      const one = store.cell(row),
        key = `${one.catalog}\n${label(one.reader ?? one.writer)}`;
      counts.set(key, [...(counts.get(key) ?? []), one.state.name]);
    }
    const behind = store.catalogs,
      engines = [...new Set([...counts.keys()].map((key) => key.split("\n")[1]))].sort();
    const said = (states = []) => {
      const judged = states.filter((one) => one === "PASS" || FAILURES.includes(one)),
        wrong = judged.filter((one) => one === "WRONG").length;
      return judged.length
        ? `${number(judged.filter((one) => one === "PASS").length)} of ${number(judged.length)}${wrong ? `, ${number(wrong)} wrong` : ""}`
        : "–";
    };
    return [
      h("h2", {}, "Engines behind each catalog"),
      h(
        "p",
        {},
        "How many of an engine's own cells passed, by the catalog of the run. Another one: ",
        h("code", {}, "lakebench run interop --catalog nessie"),
        ".",
      ),
      table(
        "Engines behind each catalog",
        ["engine", ...behind],
        engines.map((engine) => [engine, ...behind.map((name) => said(counts.get(`${name}\n${engine}`)))]),
        { layout: "figures", visible: false },
      ),
    ];
  };
  const catalogs = (_parts, query) => {
    if (!names.length)
      return {
        title: "Catalogs",
        node: [
          h("p", {}, "No run of phase 11 is on this site, so no catalog was checked against the specification. This checks them:"),
          code(`${RUN}\nlakebench site RUN --output site`),
          engineTable(),
        ],
      };
    const result = h("div", {}, matrix(query));
    return {
      title: "Catalogs",
      node: [
        h(
          "p",
          { className: "lead" },
          "What each REST catalog answers to the checks of the Iceberg REST specification. A catalog has no case of a check whose endpoint it does not name, or whose login it does not have.",
        ),
        bySubject(),
        h("h2", {}, "Every check"),
        h(
          "p",
          { className: "note" },
          "must: the specification requires it. cap: an ability that a catalog may lack; REFUSED says that it lacks it, WRONG that it answers falsely. data: what engines made of the catalog.",
        ),
        form("catalogs", [
          choice(
            "t",
            "subject",
            [["", "all"], ...[...new Set(columns.subject)].map((one) => [one, one])],
            query.get("t") ?? "",
          ),
          h(
            "label",
            { className: "field" },
            h("input", { type: "checkbox", name: "all", value: "1", checked: query.get("all") === "1" }),
            " also those that no catalog fails",
          ),
        ]),
        result,
        engineTable(),
      ],
      update: (next) => result.replaceChildren(...matrix(next)),
    };
  };

  const catalog = ([, part]) => {
    const name = names.find((one) => seg(one) === part);
    if (!name)
      return {
        title: "Not here",
        node: [h("p", {}, `No catalog called “${part}” was checked.`), h("p", {}, link("catalogs", "All catalogs"))],
      };
    const own = checks.filter((one) => one.catalog === name),
      parts = [...new Set(own.map((one) => one.part))].join(","),
      musts = own.filter((one) => one.level === "must"),
      version = own.map((one) => one.version).find(Boolean) ?? "",
      newest = own.reduce((best, one) => (one.date > best.date ? one : best)),
      gravity = (one) => (one.level === "must" ? 0 : 10) + FAILURES.indexOf(one.state),
      failed = own.filter((one) => FAILURES.includes(one.state)).sort((a, b) => gravity(a) - gravity(b)),
      said = failed.some((one) => one.reason),
      bad = failed.filter((one) => one.level === "must").length;
    const section = (title, list, head, line) =>
      list.length
        ? [
            h("h2", {}, `${title} (${number(list.length)})`),
            table(title, head, list.map(line), { layout: "checks-by-name", visible: false }),
          ]
        : null;
    return {
      title: `Catalog ${name}${version ? ` ${version}` : ""}`,
      node: [
        h(
          "p",
          { className: `verdict ${bad ? "bad" : failed.length ? "fair" : "good"}` },
          `${tally(musts)} checks that the specification requires pass; ${tally(own)} of all that ran.`,
        ),
        h(
          "p",
          {},
          `${newest.accepted ? "Accepted" : "Measured"} on ${day(newest.date)}, from ${newest.run}. `,
          link("catalogs", "All catalogs"),
          ". Again, in a clone of lakebench:",
        ),
        code(`make setup\n.venv/bin/lakebench run phase11 --catalog ${name} --checks ${parts}`),
        own.every((one) => one.accepted)
          ? h("p", { className: "note" }, "These are accepted outcomes. A site of the run also has what the catalog answered, and the requests.")
          : null,
        section(
          "What fails",
          failed,
          ["check", "subject", "level", "outcome", "operation", ...(said ? ["what it answers", "the request again"] : [])],
          (one) => [
            nameOf(one),
            one.subject,
            one.level,
            chipOf(one),
            one.operation || "–",
            ...(said ? [one.reason || "–", one.curl ? h("code", {}, one.curl) : "–"] : []),
          ],
        ),
        section(
          "What could not be checked",
          own.filter((one) => !ran(one)),
          ["check", "subject", "outcome", "reason"],
          (one) => [nameOf(one), one.subject, chipOf(one), one.reason || "–"],
        ),
        section(
          "What passes",
          own.filter((one) => one.state === "PASS"),
          ["check", "subject", "level", "what it shows"],
          (one) => [nameOf(one), one.subject, one.level, one.title || one.operation || "–"],
        ),
      ],
    };
  };
  return { catalogs, catalog };
};
