// Curves to explore: values under the pointer or the arrow keys, series on and off, raw or normalised, linear or
// logarithmic, over frames or hours. A panel is drawn when it comes into view, by uPlot.
(() => {
  const HEIGHT = 200, NEAREST = 8, FIRST = 6;
  const DASHES = { published: [7, 4], reference: [2, 3] };
  const SUFFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

  const frames = (value) => {
    const [limit, suffix] = SUFFIXES.find(([limit]) => Math.abs(value) >= limit) || [1, ""];
    return `${+(value / limit).toPrecision(4)}${suffix}`;
  };
  const number = (value) =>
    Math.abs(value) >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M`
    : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : `${+value.toPrecision(3)}`;
  const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const read = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(plain).text());
  };

  class Panel {
    constructor(explorer, data) {
      Object.assign(this, { explorer, data, plot: null, stale: true, seen: false, at: -1 });
      this.tip = make("div", { class: "tip", "aria-hidden": "true", hidden: "" });
      this.host = make("div", { tabindex: "0", role: "group", "aria-label": `${data.title || "Curves"}: arrow keys read the values` });
      this.element = make("div", { class: "panel" }, ...(data.title ? [make("h4", {}, data.title)] : []), this.host, this.tip);
      this.host.addEventListener("keydown", (event) => this.key(event));
      this.host.addEventListener("blur", () => this.plot && this.plot.setCursor({ left: -10, top: -10 }));
      new IntersectionObserver((entries) => {
        this.seen = entries.at(-1).isIntersecting;
        this.refresh();
      }, { rootMargin: "200px" }).observe(this.element);
    }

    refresh(stale = false) {
      this.stale ||= stale;
      if (this.seen && this.stale && this.host.clientWidth > 0) this.draw();
    }

    // What is shown of a value: as it was drawn, or on the other scale.
    shown(value) {
      const { state, data } = this.explorer, { low, span } = this.data;
      if (value === null || state.raw === data.raw) return value;
      return state.raw ? value * span + low : (value - low) / span;
    }

    // uPlot's data: one x for all, a column for each curve and two more for its interval.
    columns() {
      const { state } = this.explorer;
      const across = (one) => (state.hours ? one.hours : one.x);
      const series = this.data.series.filter((one) => this.explorer.on(one) && (one.role === "reference" || across(one)));
      const x = [...new Set(series.flatMap((one) => (one.role === "reference" ? [] : across(one))))].sort((a, b) => a - b);
      const place = new Map(x.map((value, i) => [value, i]));
      const positive = (value) => (value === null || (state.log && value <= 0) ? null : value);
      const column = (one, values) => {
        const found = new Array(x.length).fill(null);
        if (one.role === "reference") return found.fill(positive(this.shown(values[0])));
        across(one).forEach((value, i) => { found[place.get(value)] = positive(this.shown(values[i])); });
        return found;
      };
      return { x, series, column };
    }

    draw() {
      const { state, data } = this.explorer, { x, series, column } = this.columns();
      const columns = [x], options = [{}], bands = [], ink = colourOf("--ink"), grid = { stroke: colourOf("--line"), width: 1 };
      this.named = new Map();
      for (const one of series) {
        const [label, given] = data.labels[one.of], colour = given || ink, seed = one.role === "seed";
        this.named.set(columns.length, { label, colour, n: one.n });
        columns.push(column(one, one.y));
        options.push({ stroke: seed ? `${colour}99` : colour, width: seed ? 0.7 : 1.8, dash: DASHES[one.role], spanGaps: true,
          points: { show: x.length === 1, size: 6, fill: colour } });
        if (one.low && one.high && one.role === "curve") {
          bands.push({ series: [columns.length, columns.length + 1], fill: `${colour}33` });
          for (const side of [one.high, one.low]) {
            columns.push(column(one, side));
            options.push({ stroke: `${colour}00`, width: 0, spanGaps: true, points: { show: false } });
          }
        }
      }
      const axis = { stroke: ink, grid, ticks: grid, font: "11px system-ui, sans-serif" };
      this.plot?.destroy();
      this.stale = false;
      this.tip.hidden = true;
      this.plot = new uPlot({
        width: this.host.clientWidth, height: HEIGHT, legend: { show: false }, series: options, bands,
        scales: { x: { time: false }, y: { distr: state.log ? 3 : 1 } },
        axes: [{ ...axis, space: 60, values: (_, at) => at.map((v) => (v === null ? null : state.hours ? number(v) : frames(v))) },
          { ...axis, size: 52, values: (_, at) => at.map((v) => (v === null ? null : number(v))) }],
        cursor: { points: { size: 6 }, dataIdx: (plot, i, at) => Panel.near(plot, i, at) },
        hooks: { setCursor: [(plot) => this.read(plot)] },
      }, columns, this.host);
    }

    // The value of a curve that is nearest to a place where another one has a value.
    static near(plot, i, at) {
      const values = plot.data[i];
      for (let away = 0; away < values.length; away++) {
        if (values[at - away] != null) return at - away;
        if (values[at + away] != null) return at + away;
      }
      return at;
    }

    // The values under the cursor, from the highest on.
    values() {
      const found = [];
      for (const [i, one] of this.named) {
        const at = this.plot.cursor.idxs[i], y = this.plot.data[i][at];
        if (y != null) found.push({ ...one, y });
      }
      return found.sort((a, b) => b.y - a.y);
    }

    read(plot) {
      if (plot !== this.plot) return; // while it is being made
      const { left, top, idx } = this.plot.cursor;
      this.tip.hidden = left < 0 || idx == null;
      if (this.tip.hidden) return;
      const mouse = this.plot.posToVal(top, "y"), all = this.values();
      const told = [...all].sort((a, b) => Math.abs(a.y - mouse) - Math.abs(b.y - mouse)).slice(0, NEAREST);
      const lines = all.filter((one) => told.includes(one)).map((one) => {
        const mark = make("i");
        mark.style.background = one.colour;
        return make("div", {}, mark, `${one.label} ${number(one.y)}${one.n ? ` (n = ${one.n})` : ""}`);
      });
      if (all.length > told.length) lines.push(make("div", {}, `and ${all.length - told.length} more`));
      this.tip.replaceChildren(make("b", {}, this.explorer.place(this.plot.data[0][idx])), ...lines);
      const over = this.plot.over, from = over.offsetLeft + this.host.offsetLeft, right = left > over.clientWidth / 2;
      this.tip.style.top = `${this.host.offsetTop + 8}px`;
      this.tip.style.left = right ? "" : `${from + left + 12}px`;
      this.tip.style.right = right ? `${this.element.clientWidth - from - left + 12}px` : "";
    }

    key(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
      if (!step || !this.plot) return;
      event.preventDefault();
      const x = this.plot.data[0];
      this.at = Math.max(0, Math.min(x.length - 1, this.at + step));
      this.plot.setCursor({ left: this.plot.valToPos(x[this.at], "x"), top: this.plot.over.clientHeight / 2 });
      const told = this.values().map((one) => `${one.label} ${number(one.y)}`).join(", ");
      this.explorer.said.textContent = `${this.data.title} ${this.explorer.place(x[this.at])}: ${told}`;
    }
  }

  class Explorer {
    constructor(figure, data) {
      this.data = data;
      this.state = { raw: data.raw, log: false, hours: false, seeds: false, off: new Set() };
      this.said = make("p", { class: "hidden-visually", role: "status" });
      this.panels = data.panels.map((panel) => new Panel(this, panel));
      this.element = make("div", { class: "explorer" }, this.tools(), this.keys(), this.said,
        make("div", { class: "panels" }, ...this.panels.map((panel) => panel.element)));
      let width = 0;
      new ResizeObserver(([entry]) => {
        if (entry.contentRect.width !== width) this.refresh();
        width = entry.contentRect.width;
      }).observe(this.element);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
    }

    // The first panels at once, the others when they come into view.
    begin() {
      for (const panel of this.panels.slice(0, FIRST)) {
        panel.seen = true;
        panel.refresh();
      }
    }

    refresh() { this.panels.forEach((panel) => panel.refresh(true)); }

    place(x) { return this.state.hours ? `${number(x)} hours` : `${this.data.x}: ${frames(x)}`; }

    // A single seed is shown with what it is a seed of.
    family(of) { return this.data.labels[of][0].replace(/ seed \S+$/, ""); }

    on(one) {
      const name = one.role === "seed" ? this.family(one.of) : this.data.labels[one.of][0];
      return !this.state.off.has(name) && (one.role !== "seed" || this.state.seeds);
    }

    choice(text, values, chosen) {
      const select = make("select", {}, ...values.map(([value, name]) => make("option", { value }, name)));
      select.addEventListener("change", () => { chosen(select.value); this.refresh(); });
      return make("label", {}, text, select);
    }

    tick(text, key) {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => { this.state[key] = box.checked; this.refresh(); });
      return make("label", {}, box, text);
    }

    tools() {
      const { data, state } = this, every = data.panels.flatMap((panel) => panel.series);
      const found = [make("span", {}, data.y)];
      if (data.normalised) {
        const both = [["raw", "Raw score"], ["", data.normalised]];
        found.push(this.choice("Scale ", data.raw ? both : both.reverse(), (value) => { state.raw = value === "raw"; }));
      }
      if (every.some((one) => one.hours)) {
        found.push(this.choice("Over ", [["", data.x.toLowerCase()], ["hours", "hours of training"]], (value) => { state.hours = value === "hours"; }));
      }
      found.push(this.tick("logarithmic", "log"));
      if (every.some((one) => one.role === "seed")) found.push(this.tick("single seeds", "seeds"));
      found.push(make("span", { class: "quiet" }, "Drag to zoom, double-click to go back."));
      return make("div", { class: "tools" }, ...found);
    }

    keys() {
      const names = new Map();
      for (const one of this.data.panels.flatMap((panel) => panel.series)) {
        if (one.role !== "seed") names.set(...this.data.labels[one.of]);
      }
      const buttons = [...names].map(([name, colour]) => {
        const mark = make("i");
        mark.style.background = colour || "currentColor";
        const button = make("button", { type: "button", class: "key", "aria-pressed": "true" }, mark, name);
        button.addEventListener("click", () => {
          const off = this.state.off.delete(name) ? "true" : (this.state.off.add(name), "false");
          button.setAttribute("aria-pressed", off);
          this.refresh();
        });
        return button;
      });
      return make("div", { class: "keys", role: "group", "aria-label": "Series" }, ...buttons);
    }
  }

  document.querySelectorAll("figure[data-curves]").forEach((figure) => {
    const picture = figure.querySelector("img");
    const button = make("button", { type: "button", "aria-expanded": "false" }, "Explore the curves");
    let explorer = null;
    button.addEventListener("click", async () => {
      const open = button.getAttribute("aria-expanded") === "false";
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "Show the picture" : "Explore the curves";
      if (!explorer) {
        explorer = new Explorer(figure, await read(figure.dataset.curves));
        picture.after(explorer.element);
      }
      picture.hidden = open;
      explorer.element.hidden = !open;
      if (open) explorer.begin();
    });
    picture.before(make("div", { class: "tools" }, button));
  });
})();
