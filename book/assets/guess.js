// A result card that asks: a guess, then the prediction, then "above or below?", then the measurement.
//
// The page itself shows everything (lessons/notebook/card.py); this script veils what is still to come. Guesses stay
// in this browser. Without storage they last as long as the page.
(() => {
  "use strict";

  // As in lessons/measure/verdict.py. A verdict is by the whole interval; those that have no side go by the value.
  const BAND = 1.25;
  const UNSURE = "cant-tell";
  const SIDES = { "as-foreseen": "within", "more-than-foreseen": "above", "less-than-foreseen": "below" };
  const ALWAYS = "lessons.always-show";
  const LARGE = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
  const SMALL = [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
  const PREFIXED = ["B", "B/s", "FLOP", "FLOP/s", "OP", "OP/s", "bit/s"];

  // Until the cards are set up, what an asking one hides is not shown for a moment either (card.css).
  document.documentElement.classList.add("lessons-guessing");

  const memory = new Map();
  const kept = {
    get(key) {
      try {
        return JSON.parse(localStorage.getItem(key)) ?? memory.get(key) ?? null;
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        localStorage.setItem(key, JSON.stringify(value));
      } catch {}
    },
    drop(key) {
      memory.delete(key);
      try {
        localStorage.removeItem(key);
      } catch {}
    },
  };
  const keyOf = (id) => `lessons.guess.${id}`;
  const guessOf = (id) => {
    const guess = kept.get(keyOf(id));
    return guess && Number.isFinite(guess.value) ? guess : null;
  };

  // Numbers, as lessons/units.py writes them.

  function scales(unit) {
    if (unit === "%") return [[0.01, "%"]];
    if (unit === "1") return [[1, ""]];
    const steps = unit === "s" ? SMALL : PREFIXED.includes(unit) ? LARGE : [[1, ""]];
    return steps.map(([scale, prefix]) => [scale, prefix + unit]);
  }

  function significant(value, digits = 3) {
    if (value === 0) return "0";
    const rounded = Number(value.toPrecision(digits));
    const places = Math.min(20, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded)))));
    return rounded.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  }

  function scaleOf(value, unit) {
    const steps = scales(unit);
    return steps.find(([scale]) => Math.abs(value) >= 0.9995 * scale) ?? steps[steps.length - 1];
  }

  function format(value, unit, digits = 3) {
    const [scale, name] = scaleOf(value, unit);
    return `${significant(value / scale, digits)} ${name}`.trim();
  }

  // What the slider reaches: three decades with round ends, the prediction in another third of them for each experiment.
  function reach(id, unit, predicted) {
    if (unit === "%" && predicted <= 1) return { at: (t) => t, of: (v) => v };
    let hash = 7;
    for (const letter of id) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
    const wanted = Math.log10(predicted) - [0.9, 1.5, 2.1][hash % 3];
    const far = (end) => Math.abs(end - wanted);
    const round = [1, 2, 5, 10].map((mantissa) => Math.floor(wanted) + Math.log10(mantissa));
    const low = round.reduce((best, end) => (far(end) < far(best) ? end : best));
    return { at: (t) => 10 ** (low + 3 * t), of: (v) => (Math.log10(v) - low) / 3 };
  }

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  class Card {
    constructor(section) {
      const data = section.dataset;
      this.section = section;
      this.id = data.experiment;
      this.unit = data.unit;
      this.found = data.found;
      this.predicted = Number(data.predicted);
      this.measured = Number(data.measured);
      this.verdict = data.verdict;
      this.sum = section.querySelector(".lessons-sum");
      this.outcome = section.querySelector(".lessons-outcome");
      this.following = Card.after(section);
      this.desk = make("div", { className: "lessons-desk" });
      this.said = make("p", { className: "lessons-said" });
      this.said.setAttribute("aria-live", "polite");
      section.insertBefore(this.said, this.sum ?? this.outcome);
      section.insertBefore(this.desk, this.outcome);
    }

    // What stands below the card in the same cell: the figure and the explanation.
    static after(section) {
      let node = section;
      while (node.parentElement && !node.parentElement.matches(".cell_output")) node = node.parentElement;
      const later = [];
      if (node.parentElement) while ((node = node.nextElementSibling)) later.push(node);
      return later;
    }

    get hidden() {
      return [this.sum, this.outcome, ...this.following].filter((part) => part?.hasAttribute("data-veiled"));
    }

    // Shows what belongs to a step, and puts `controls` on the desk.
    step(name, ...controls) {
      this.section.dataset.step = name;
      const veiled = { ask: [this.sum, this.outcome, ...this.following], predicted: [this.outcome, ...this.following] };
      for (const part of [this.sum, this.outcome, ...this.following])
        part?.toggleAttribute("data-veiled", (veiled[name] ?? []).includes(part));
      this.desk.replaceChildren(...controls);
      // The sum is part of what the second question is about; the first one, and the last word, stand above it.
      this.section.insertBefore(this.desk, name === "done" ? this.section.querySelector("details") : this.outcome);
    }

    start() {
      const guess = guessOf(this.id);
      if (guess) {
        this.mark(guess.value);
        if (guess.side) this.resolve(guess);
        else this.askSide(guess);
      } else if (kept.get(ALWAYS)) this.show();
      else this.ask();
    }

    ask() {
      const steps = scales(this.unit);
      const number = make("input", { type: "number", min: "0", step: "any", required: true, inputMode: "decimal" });
      const unit = make("select", {}, ...steps.map(([scale, name]) => make("option", { value: scale, textContent: name })));
      unit.setAttribute("aria-label", "unit");
      unit.hidden = steps.length < 2;
      const label = make("label", {}, make("span", { textContent: "Your guess" }), number);
      const row = make("div", { className: "lessons-row" }, label, unit);
      if (steps.length === 1 && steps[0][1]) row.append(make("span", { textContent: steps[0][1] }));
      const form = make("form", { className: "lessons-ask", noValidate: true }, row);
      if (this.predicted > 0 && Number.isFinite(this.predicted)) form.append(this.slider(number, unit));
      form.append(
        make(
          "div",
          { className: "lessons-row" },
          make("button", { type: "submit", textContent: "Lock in" }),
          this.link("Show without guessing", () => {
            this.show();
            this.desk.querySelector("button").focus({ preventScroll: true });
          }),
        ),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const value = Number(number.value) * Number(unit.value);
        if (number.value.trim() === "" || !Number.isFinite(value) || value <= 0) {
          this.said.textContent = "Move the slider, or type a number above zero.";
          number.focus();
          return;
        }
        const guess = { value };
        kept.set(keyOf(this.id), guess);
        this.mark(value);
        this.askSide(guess);
        this.desk.querySelector("button").focus();
      });
      this.said.textContent = "";
      this.mark(null);
      this.step("ask", form);
    }

    slider(number, unit) {
      const { at, of } = reach(this.id, this.unit, this.predicted);
      const slider = make("input", { type: "range", min: "0", max: "1000", step: "1", value: "500" });
      slider.setAttribute("aria-label", "Your guess, on a scale");
      unit.value = String(scaleOf(at(0.5), this.unit)[0]);
      const tell = (value) => {
        slider.dataset.touched = "";
        slider.setAttribute("aria-valuetext", format(value, this.unit, 2));
      };
      slider.addEventListener("input", () => {
        const value = at(slider.value / 1000);
        const [scale] = scaleOf(Number(value.toPrecision(2)), this.unit);
        unit.value = String(scale);
        number.value = Number((value / scale).toPrecision(2));
        tell(value);
      });
      const follow = () => {
        const value = Number(number.value) * Number(unit.value);
        if (value > 0) slider.value = Math.round(1000 * Math.min(1, Math.max(0, of(value))));
        if (value > 0) tell(value);
      };
      number.addEventListener("input", follow);
      unit.addEventListener("change", follow);
      slider.setAttribute("aria-valuetext", "no guess yet");
      const ends = make("div", { className: "lessons-ends" });
      for (const t of [0, 1 / 3, 2 / 3, 1]) ends.append(make("span", { textContent: format(at(t), this.unit, 1) }));
      ends.setAttribute("aria-hidden", "true");
      return make("div", { className: "lessons-slider" }, slider, ends);
    }

    askSide(guess) {
      const who = { simulated: "Will the simulation", recorded: "Did that machine" }[this.found] ?? "Will this machine";
      this.said.textContent = `You guessed ${format(guess.value, this.unit)}. The prediction is ${format(this.predicted, this.unit)}:`;
      const question = make("p", { textContent: `${who} come out above it, below it, or within a quarter of it?` });
      const answers = [["above", "Above"], ["within", "Within a quarter"], ["below", "Below"]].map(([side, text]) => {
        const button = make("button", { type: "button", textContent: text });
        button.addEventListener("click", () => {
          const answered = { ...guess, side };
          kept.set(keyOf(this.id), answered);
          this.resolve(answered);
          this.said.tabIndex = -1;
          this.said.focus();
        });
        return button;
      });
      this.step("predicted", question, make("div", { className: "lessons-row" }, ...answers));
    }

    resolve(guess) {
      this.said.textContent = [this.judgeGuess(guess.value), this.judgeSide(guess.side)].filter(Boolean).join(" ");
      this.step("done", make("div", { className: "lessons-row" }, this.link("Guess again", () => this.again())));
    }

    judgeGuess(value) {
      const you = `You guessed ${format(value, this.unit)}`;
      const factor = value / this.measured;
      if (!(factor > 0 && Number.isFinite(factor))) return `${you}.`;
      if (factor <= BAND && factor >= 1 / BAND) return `${you}, within a quarter of what was ${this.found}.`;
      const times = significant(Math.max(factor, 1 / factor), 2);
      return `${you}, ${times} times too ${factor > 1 ? "high" : "low"}.`;
    }

    judgeSide(side) {
      const ratio = this.measured / this.predicted;
      if (!(ratio > 0 && Number.isFinite(ratio))) return "";
      const words = { above: "above the prediction", below: "below the prediction", within: "within a quarter of the prediction" };
      if (this.verdict === UNSURE)
        return `You said ${words[side]}. This result can't tell: its interval reaches over an edge of the quarter.`;
      const truth = SIDES[this.verdict] ?? (ratio > BAND ? "above" : ratio < 1 / BAND ? "below" : "within");
      return `You said ${words[side]}: ${side === truth ? "so it came out." : `it came out ${words[truth]}.`}`;
    }

    again() {
      kept.drop(keyOf(this.id));
      this.ask();
      this.desk.querySelector("input").focus();
    }

    // Everything, without a guess.
    show() {
      const box = make("input", { type: "checkbox", checked: Boolean(kept.get(ALWAYS)) });
      box.addEventListener("change", () => {
        if (box.checked) kept.set(ALWAYS, true);
        else kept.drop(ALWAYS);
        for (const card of cards) if (card !== this && !guessOf(card.id)) card.start();
      });
      this.said.textContent = "";
      const always = make("label", { className: "lessons-always" }, box, " Always show");
      this.step("done", make("div", { className: "lessons-row" }, this.link("Guess first", () => this.again()), always));
    }

    link(text, act) {
      const button = make("button", { type: "button", className: "lessons-link", textContent: text });
      button.addEventListener("click", act);
      return button;
    }

    // Puts the guess on the rulers and among the numbers, or takes it away.
    mark(value) {
      for (const svg of this.section.querySelectorAll("svg.lessons-ruler")) {
        const group = svg.querySelector("[data-mark=guess]");
        if (!group) continue;
        svg.setAttribute("viewBox", value > 0 ? svg.dataset.box : svg.dataset.bare);
        // Its line reaches down from its lane into what is shown.
        group.setAttribute("display", value > 0 ? "inline" : "none");
        if (!(value > 0)) continue;
        const [low, high, left, right, letter] = ["low", "high", "left", "right", "letter"].map((k) => Number(svg.dataset[k]));
        const share = (Math.log10(value) - low) / (high - low);
        const x = left + Math.min(1, Math.max(0, share)) * (right - left);
        const text = group.querySelector("text");
        const beyond = share < 0 ? ["← ", ""] : share > 1 ? ["", " →"] : ["", ""];
        text.textContent = `${beyond[0]}your guess ${format(value, this.unit)}${beyond[1]}`;
        const length = letter * text.textContent.length;
        const width = right + left;
        // Beside the mark; where there is no room, above it.
        const [anchor, at, up] =
          x + 16 + length <= width ? ["start", 16, 0]
          : x - 16 - length >= 0 ? ["end", -16, 0]
          : ["middle", Math.min(Math.max(x, length / 2), width - length / 2) - x, -9];
        text.setAttribute("text-anchor", anchor);
        text.setAttribute("x", at.toFixed(1));
        text.setAttribute("dy", up);
        group.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
      }
      const tile = this.section.querySelector(".lessons-your-guess");
      if (!tile) return;
      tile.hidden = value === null;
      tile.querySelector("dd").textContent = value === null ? "" : format(value, this.unit);
    }
  }

  const cards = [];

  // A link may lead to what is veiled: a figure, or the card itself.
  function unveil() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (const card of cards) {
      const leads = target === card.section ? card.section.dataset.step !== "done" : card.hidden.some((p) => p.contains(target));
      if (leads) card.show();
    }
    target.scrollIntoView();
  }

  // The box at the top would give away what the page asks further down.
  function foldAnswers() {
    if (cards.every((card) => card.section.dataset.step === "done")) return;
    for (const box of document.querySelectorAll(".lessons-in-short")) {
      box.firstElementChild?.remove(); // its heading, which the summary has
      const heading = make("strong", { textContent: "In short" });
      const summary = make("summary", {}, heading, ", with the results that this page asks you to guess");
      const fold = make("details", {}, summary, ...box.childNodes);
      box.append(fold);
      addEventListener("beforeprint", () => (fold.open = true));
    }
  }

  // On the report card, the reader's guesses stand where the page left room for them.
  function report() {
    for (const place of document.querySelectorAll("[data-guess-for]")) {
      const guess = guessOf(place.dataset.guessFor);
      if (!guess) continue;
      place.textContent = format(guess.value, place.dataset.unit ?? "1");
      for (let node = place; node; node = node.parentElement) node.hidden = false;
      for (const heading of document.querySelectorAll("[data-guess-heading]")) heading.hidden = false;
    }
  }

  function begin() {
    for (const section of document.querySelectorAll(".lessons-card[data-asks]")) cards.push(new Card(section));
    for (const card of cards) card.start();
    foldAnswers();
    report();
    unveil();
    addEventListener("hashchange", unveil);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
