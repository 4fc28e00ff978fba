"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const charts = [];

  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (text, length = 28) => text.length <= length ? text : "…" + text.slice(1 - length);
  const bytes = n => n < 1e3 ? n + " B" : n < 1e6 ? (n / 1e3).toPrecision(3) + " kB" : n < 1e9 ? (n / 1e6).toPrecision(3) + " MB" : (n / 1e9).toPrecision(3) + " GB";
  const digits = n => n === null ? "∞" : Number(n.toPrecision(4)).toString();

  function draw(id, make) {
    const canvas = document.getElementById(id);
    if (!canvas) return;
    const options = make();
    charts.push(new Chart(canvas, {
      ...options,
      options: {
        responsive: true, maintainAspectRatio: false, animation: false, parsing: options.parsing ?? true, indexAxis: options.indexAxis ?? "x",
        plugins: { legend: { display: options.data.datasets.length > 1, reverse: options.reverseLegend ?? false, labels: { boxWidth: 12, color: color("--ink") } }, tooltip: { callbacks: options.tooltip ?? {} } },
        scales: Object.fromEntries(Object.entries(options.scales).map(([axis, scale]) => [axis, {
          ...scale, grid: { color: color("--line") }, ticks: { color: color("--dim"), maxRotation: 60, autoSkip: true, ...scale.ticks },
          title: { display: Boolean(scale.label), text: scale.label, color: color("--dim") },
        }])),
      },
    }));
  }

  // A node with several weights is told apart by them.
  const shared = new Set(data.layers.map(layer => layer.node).filter((node, i, all) => all.indexOf(node) !== i));
  const full = data.layers.map(layer => shared.has(layer.node) ? layer.node + " " + layer.weight : layer.node);
  // Many names are small and upright; where even that has no room the chart skips some.
  const many = full.length > 16;
  const names = full.map(name => short(name, many ? 18 : 24));
  const layerBars = (id, sets, value) => draw(id, () => ({
    type: "bar",
    data: { labels: names, datasets: sets.map(([label, name, pick]) => ({ label, backgroundColor: color(name), data: data.layers.map(pick) })) },
    tooltip: { title: items => full[items[0].dataIndex], label: item => item.dataset.label + ": " + value(item.raw), afterBody: items => data.layers[items[0].dataIndex].action },
    scales: { x: { ticks: many ? { minRotation: 90, maxRotation: 90, font: { size: 9 } } : {} }, y: { beginAtZero: true, ticks: { callback: value } } },
  }));

  // Only in what one of several trials is beaten by no other does it lie on the front.
  function front(points) {
    const better = data.lowerIsBetter ? (a, b) => a < b : (a, b) => a > b;
    return points.filter(p => !points.some(q => q !== p && q.x <= p.x && !better(p.y, q.y) && (q.x < p.x || better(q.y, p.y)))).sort((a, b) => a.x - b.x);
  }

  function trials() {
    const point = trial => ({ x: trial.bytes, y: trial.metric, trial });
    const usable = data.trials.filter(trial => trial.bytes > 0 && trial.metric !== null);
    const sets = [
      { label: "passed", pointRadius: 4, backgroundColor: color("--after"), data: usable.filter(t => t.passed && !t.chosen).map(point) },
      { label: "stopped by a gate", pointRadius: 4, backgroundColor: color("--before"), data: usable.filter(t => !t.passed).map(point) },
      { label: "chosen", backgroundColor: color("--accent"), pointRadius: 8, data: usable.filter(t => t.chosen).map(point) },
      { label: "front", type: "line", pointRadius: 0, borderWidth: 1, stepped: true, borderColor: color("--dim"), data: front(usable.map(point)) },
    ];
    const xs = usable.map(t => t.bytes), ys = usable.map(t => t.metric);
    const line = (label, points) => sets.push({ label, type: "line", pointRadius: 0, borderDash: [6, 4], borderWidth: 1.5, borderColor: color("--bad"), data: points });
    for (const gate of data.gates) {
      const limit = gate.name === "MaxMetricDrop" && data.originalMetric !== null ? data.originalMetric + (data.lowerIsBetter ? gate.limit : -gate.limit) : gate.limit;
      if (gate.name === "MaxMetricDrop" || gate.name === "MinMetric") line(gate.name, [{ x: Math.min(...xs), y: limit }, { x: Math.max(...xs), y: limit }]);
      if (gate.name === "MaxSize") line(gate.name, [{ x: limit, y: Math.min(...ys) }, { x: limit, y: Math.max(...ys) }]);
    }
    return {
      type: "scatter", data: { datasets: sets },
      tooltip: { label: item => item.raw.trial ? `${item.raw.trial.number} ${item.raw.trial.name}: ${bytes(item.raw.x)}, ${data.metric} ${digits(item.raw.y)}` : item.dataset.label, afterLabel: item => item.raw.trial?.settings ?? "" },
      scales: { x: { type: "linear", label: "bytes", ticks: { callback: bytes } }, y: { label: data.metric } },
    };
  }

  const histogram = h => () => {
    const step = (h.high - h.low) / h.before.length;
    return {
      type: "bar",
      data: {
        labels: h.before.map((_, i) => Number((h.low + step * (i + 0.5)).toPrecision(2)).toString()),
        datasets: [
          { label: "before", backgroundColor: color("--before"), data: h.before, barPercentage: 1, categoryPercentage: 1, grouped: false, order: 2 },
          { label: "after", backgroundColor: color("--after"), data: h.after, barPercentage: 0.5, categoryPercentage: 1, grouped: false, order: 1 },
        ],
      },
      reverseLegend: true,
      // A pruned weight has most of its mass in one step; on a linear scale nothing else would be seen.
      scales: { x: { ticks: { maxTicksLimit: 7 } }, y: { type: "logarithmic", min: 0.7, ticks: { callback: n => Number.isInteger(Math.log10(n)) ? n.toLocaleString("en") : "" } } },
    };
  };

  function gradients() {
    const g = data.details.gradients;
    const set = (label, name, removed) => ({ label, backgroundColor: color(name), pointRadius: 2.5, data: g.points.filter(p => p.removed === removed).map(p => ({ x: Math.abs(p.mean), y: p.std, name: p.name })) });
    // The first set is drawn last, on top: what is removed lies in the corner where most of what is kept lies, too.
    const sets = [set("removed", "--accent", true), set("kept", "--before", false), set("ranked", "--after", null)].filter(s => s.data.length);
    if (g.meanThreshold !== null && g.stdThreshold !== null)
      sets.push({ label: "thresholds", type: "line", pointRadius: 0, borderDash: [6, 4], borderColor: color("--bad"), data: [{ x: g.meanThreshold, y: 0 }, { x: g.meanThreshold, y: g.stdThreshold }, { x: 0, y: g.stdThreshold }] });
    return {
      type: "scatter", data: { datasets: sets },
      tooltip: { label: item => item.raw.name ? `${item.raw.name}: mean ${digits(item.raw.x)}, std ${digits(item.raw.y)}` : item.dataset.label },
      scales: { x: { label: "absolute mean", beginAtZero: true }, y: { label: "standard deviation", beginAtZero: true } },
    };
  }

  const ranges = () => ({
    type: "bar", indexAxis: "y",
    data: { labels: data.details.ranges.map(r => short(r.tensor)), datasets: [{ label: "range", backgroundColor: color("--after"), data: data.details.ranges.map(r => [r.minimum, r.maximum]) }] },
    tooltip: { title: items => data.details.ranges[items[0].dataIndex].tensor, label: item => item.raw.map(digits).join(" … ") },
    scales: { x: {}, y: { ticks: { autoSkip: false } } },
  });

  function drawAll() {
    while (charts.length) charts.pop().destroy();
    layerBars("bytes-chart", [["before", "--before", l => l.originalBytes], ["after", "--after", l => l.compressedBytes]], bytes);
    layerBars("bits-chart", [["bits", "--after", l => l.bits]], digits);
    layerBars("sparsity-chart", [["removed or zero", "--accent", l => 100 * l.sparsity]], n => digits(n) + " %");
    layerBars("sqnr-chart", [["SQNR", "--after", l => l.sqnrDb]], n => n === null ? "unchanged" : digits(n) + " dB");
    if (data.trials) draw("trials-chart", trials);
    if (!data.details) return;
    data.details.histograms.forEach((h, i) => draw("histogram-" + i, histogram(h)));
    if (data.details.gradients) draw("gradients-chart", gradients);
    if (data.details.ranges.length) {
      document.getElementById("ranges-chart").parentElement.style.height = Math.max(15, 1.4 * data.details.ranges.length) + "rem";
      draw("ranges-chart", ranges);
    }
  }

  drawAll();
  dark.addEventListener("change", drawAll);
})();
