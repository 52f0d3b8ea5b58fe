"use strict";
/* The tables of the site, and the questions put to them. Nothing here touches the page. */
globalThis.lakebench = {};
lakebench.store = (data) => {
  const columns = data.cells.columns,
    texts = data.cells.texts;
  const count = columns.state.length;
  const states = data.states.map(([name, letter, meaning]) => ({ name, letter, meaning }));
  const stateOf = Object.fromEntries(states.map((one, index) => [one.name, index]));
  const PASS = stateOf.PASS,
    WRONG = stateOf.WRONG;
  const FAILURES = new Set(["WRONG", "REFUSED", "CRASH", "TIMEOUT", "OUT_OF_MEMORY"].map((one) => stateOf[one]));
  const sources = data.sources.map(([id, date, accepted, reason]) => ({ id, date, accepted, reason }));
  const versions = data.versions.map(([name, version, title, components, choosable, rank]) => ({
    name,
    version,
    title,
    components,
    choosable,
    rank,
  }));
  const advice = data.advice.map(([key, text, avoid]) => ({ key, text, avoid }));
  const features = data.features;
  const featureIndex = new Map(features.map((one, index) => [one.id, index]));

  /* Feature, writer, reader and catalog, names without versions → their rows, the oldest first. */
  const names = [...new Set(versions.map((one) => one.name))];
  const nameIndex = new Map(names.map((one, index) => [one, index]));
  const nameOf = Int32Array.from(versions, (one) => nameIndex.get(one.name));
  const width = names.length + 1,
    catalogs = data.cells.catalogs;
  const keyOf = (feature, writer, reader, catalog) =>
    ((feature * width + writer) * width + reader + 1) * catalogs.length + catalog;
  const rows = new Map();
  for (let row = 0; row < count; row += 1) {
    const reader = columns.reader[row];
    const key = keyOf(
      columns.feature[row],
      nameOf[columns.writer[row]],
      reader < 0 ? -1 : nameOf[reader],
      columns.catalog[row],
    );
    const found = rows.get(key);
    if (found) found.push(row);
    else rows.set(key, [row]);
  }
  const later = (a, b) => {
    const writers = versions[columns.writer[a]].rank - versions[columns.writer[b]].rank;
    const readers = columns.reader[a] < 0 ? 0 : versions[columns.reader[a]].rank - versions[columns.reader[b]].rank;
    return (writers || readers || columns.source[a] - columns.source[b] || a - b) > 0;
  };
  const newest = (list) => list.reduce((best, row) => (best < 0 || !later(best, row) ? row : best), -1);
  const current = Int32Array.from(rows.values(), newest);
  const mainCatalog = 0;

  const cell = (row) => ({
    row,
    feature: features[columns.feature[row]],
    writer: versions[columns.writer[row]],
    reader: columns.reader[row] < 0 ? null : versions[columns.reader[row]],
    catalog: catalogs[columns.catalog[row]],
    state: states[columns.state[row]],
    verdict: data.verdicts[columns.verdict[row]],
    source: sources[columns.source[row]],
    reason: texts[columns.reason[row]],
    known: texts[columns.known[row]],
  });
  /* "duckdb@1.4.4" → name and version; "" stands for the newest. */
  const split = (reference) => {
    const at = reference.indexOf("@");
    return at < 0
      ? { name: reference, version: "" }
      : { name: reference.slice(0, at), version: reference.slice(at + 1) };
  };
  const history = (feature, writer, reader, catalog = mainCatalog) => {
    const indexes = [featureIndex.get(feature), nameIndex.get(writer), reader ? nameIndex.get(reader) : -1];
    return indexes.includes(undefined) ? [] : (rows.get(keyOf(...indexes, catalog)) ?? []);
  };
  const find = (feature, writer, reader, catalog) => {
    const own = split(writer),
      other = reader ? split(reader) : null;
    const fitting = history(feature, own.name, other?.name, catalog).filter(
      (row) =>
        (!own.version || versions[columns.writer[row]].version === own.version) &&
        (!other?.version || versions[columns.reader[row]].version === other.version),
    );
    return fitting.length ? newest(fitting) : -1;
  };

  const engines = (side) => {
    const found = new Map();
    for (const index of new Set(side === "engine" ? versions.keys() : columns[side])) {
      if (index < 0) continue;
      const one = versions[index];
      if (!found.has(one.name)) found.set(one.name, []);
      if (!found.get(one.name).some((known) => known.version === one.version)) found.get(one.name).push(one);
    }
    for (const list of found.values()) list.sort((a, b) => b.rank - a.rank);
    return [...found.values()].sort((a, b) => a[0].name.localeCompare(b[0].name));
  };

  /* My stack. What a cell that counts advises is in the data; here are the engines' own versions, and the gravest. */
  const counting = new Map(),
    newestVersion = new Map();
  const answerKey = (feature, writer, reader) => `${feature} ${writer} ${reader}`;
  for (let row = 0; row < count; row += 1)
    if (columns.advice[row] >= 0 && columns.catalog[row] === mainCatalog) {
      counting.set(answerKey(columns.feature[row], columns.writer[row], columns.reader[row]), row);
      for (const at of [columns.writer[row], columns.reader[row]]) {
        const best = at < 0 ? at : newestVersion.get(versions[at].name);
        if (at >= 0 && (best === undefined || versions[best].rank < versions[at].rank))
          newestVersion.set(versions[at].name, at);
      }
    }
  const atVersion = new Map(versions.map((one, index) => [`${one.name}@${one.version}`, index]));
  const resolved = (reference) => atVersion.get(reference) ?? newestVersion.get(reference) ?? -2;
  const adviceOf = Object.fromEntries(advice.map((one, index) => [one.key, index]));
  const noWay = new Set(data.no_way.map(([feature, writer]) => `${feature} ${writer}`));
  const byReference = new Set(data.reference);
  const stepOf = (feature, writer, reader, lacks) => {
    const row = counting.get(answerKey(feature, writer, reader)) ?? -1;
    return { row, advice: row >= 0 ? columns.advice[row] : adviceOf[lacks ? "not-written" : "unknown"] };
  };
  const stack = (writer, readers) => {
    const from = resolved(writer),
      to = readers.map(resolved),
      found = [];
    features.forEach((feature, index) => {
      if (split(writer).name !== "reference" && byReference.has(feature.id)) return;
      const write = stepOf(index, from, -1, noWay.has(`${index} ${split(writer).name}`));
      /* What was not written, nobody reads. */
      const reads = write.advice === adviceOf["not-written"] ? [] : to.map((one) => stepOf(index, from, one));
      found.push({ feature, write, reads, advice: advice[Math.min(...[write, ...reads].map((one) => one.advice))] });
    });
    return found;
  };

  /* My upgrade. */
  const kinds = data.kinds.map(([name, bad]) => ({ name, bad }));
  const upgrade = (name, from, to) => {
    const made = data.upgrades.find((one) => one.engine === name && one.from === from && one.to === to);
    if (!made) return undefined;
    const changes = kinds.map((kind, index) => ({
      kind,
      rows: made.changes.filter(([at]) => at === index).map(([, before, after]) => ({ before, after })),
    }));
    return { changes, same: made.same, unknown: made.unknown };
  };
  const pairs = () =>
    data.upgrades
      .filter((one) => versions[atVersion.get(`${one.engine}@${one.from}`)]?.rank < versions[atVersion.get(`${one.engine}@${one.to}`)]?.rank)
      .map((one) => ({ name: one.engine, from: one.from, to: one.to }))
      .sort((a, b) => a.name.localeCompare(b.name));
  const ran = (row) => row >= 0 && (columns.state[row] === PASS || FAILURES.has(columns.state[row]));

  /* An engine's own cells: a read is its reader's, a write its writer's; what others did wrong counts for nobody. */
  const own = (name, version) => {
    const found = [];
    for (const list of rows.values()) {
      const fitting = list.filter((row) => {
        const engine = versions[columns.engine[row]];
        return engine.name === name && (!version || engine.version === version);
      });
      if (fitting.length) found.push(newest(fitting));
    }
    return found;
  };
  const score = (list) => {
    const judged = list.filter(ran);
    const verdict = (name) => judged.filter((row) => data.verdicts[columns.verdict[row]] === name);
    return {
      judged,
      passed: judged.filter((row) => columns.state[row] === PASS),
      wrong: judged.filter((row) => columns.state[row] === WRONG),
      broken: verdict("broken claim"),
      kept: verdict("as claimed"),
      better: verdict("better than claimed"),
    };
  };

  /* What the documents of the engine that a cell is about say of its feature. */
  const claims = data.claims.columns,
    claimAt = new Map(claims.feature.map((feature, at) => [`${feature} ${claims.engine[at]}`, at]));
  const claim = (row) => {
    const at = claimAt.get(`${columns.feature[row]} ${columns.engine[row]}`);
    return at === undefined
      ? undefined
      : { support: claims.support[at], since: claims.since[at], source: data.claims.sources[claims.source[at]] };
  };

  /* All cells that a filter leaves, each at its newest versions. */
  const haystack = features.map((one) => `${one.id} ${one.title} ${one.group} ${one.topic}`.toLowerCase());
  const filter = ({ q, w, r, s, g }) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = features.map(
      (one, index) => (!g || one.group === g) && words.every((word) => haystack[index].includes(word)),
    );
    const writer = w ? (nameIndex.get(w) ?? -2) : -1,
      reader = r ? (nameIndex.get(r) ?? -2) : -1,
      state = s ? stateOf[s] : -1;
    return current.filter(
      (row) =>
        fits[columns.feature[row]] &&
        (writer === -1 || nameOf[columns.writer[row]] === writer) &&
        (reader === -1 || (columns.reader[row] >= 0 && nameOf[columns.reader[row]] === reader)) &&
        (state === -1 || columns.state[row] === state),
    );
  };

  /* The part of an address that stands for a name; the pages' folders are named alike. */
  const segment = (name) =>
    name
      .replace(/[^A-Za-z0-9._@+-]/g, "_")
      .replace(/^\.+/, "_")
      .slice(0, 100) || "_";
  const named = (list, part) => list.find((one) => one === part) ?? list.find((one) => segment(one) === part);
  return {
    data,
    states,
    sources,
    versions,
    features,
    names,
    catalogs,
    mainCatalog,
    cell,
    split,
    find,
    history,
    engines,
    stack,
    upgrade,
    pairs,
    own,
    score,
    claim,
    filter,
    segment,
    advice,
    current,
    columns,
    count,
    feature: (part) => features[featureIndex.get(part)] ?? features.find((one) => segment(one.id) === part),
    nameOf: (part) => named(names, part),
  };
};
