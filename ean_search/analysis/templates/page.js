// Draws the figures that lie in the page as data, in the page's colours and for its width.
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const root = document.documentElement;
const narrow = window.matchMedia("(max-width: 600px)");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const axis = document.getElementById("axis");
const announcement = document.getElementById("announcement");
const config = () => ({
  responsive: true, displaylogo: false, displayModeBar: narrow.matches ? false : "hover",
  modeBarButtonsToRemove: ["lasso2d", "select2d"],
});

function template() {
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const lines = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--soft"), automargin: true };
  return { layout: {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: "system-ui, 'DejaVu Sans', sans-serif", size: narrow.matches ? 11 : 13 },
    xaxis: lines, yaxis: lines,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") },
    hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
  } };
}

function adapted(name) {
  const figure = figures[name];
  const layout = { ...figure.layout, template: template() };
  let data = figure.data;
  if (figure.views) {
    const view = figure.views[axis.value];
    data = data.map((trace, i) => ({ ...trace, ...view.traces[i] }));
    layout.xaxis = { ...layout.xaxis, title: view.title };
  }
  if (narrow.matches) {
    layout.margin = { l: 44, r: 8, t: 40, b: 44 };
    data = data.map((trace) => ({ ...trace, mode: trace.mode?.replace("+text", "") }));
  }
  return [data, layout];
}

function draw() {
  for (const place of document.querySelectorAll(".chart")) {
    Plotly.react(place, ...adapted(place.dataset.figure), config());
  }
}

function show(place, curve, point) {
  const trace = place.data[curve];
  Plotly.Fx.hover(place, [{ curveNumber: curve, pointNumber: point }]);
  announcement.textContent = `${trace.customdata[point]}: ${trace.y[point]} %, ${axis.selectedOptions[0].text} ${trace.x[point]}`;
}

function paint(theme) {
  root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = theme === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", `Show in ${button.textContent.toLowerCase()} colours`);
}

let walked = -1;
function walk(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const place = event.currentTarget;
  const members = place.data.flatMap((trace, curve) => trace.name === "front" ? trace.x.map((_, point) => [curve, point]) : []);
  if (!step || !members.length) return;
  event.preventDefault();
  walked = Math.min(Math.max(walked + step, 0), members.length - 1);
  show(place, ...members[walked]);
}

function find(button) {
  const place = document.getElementById("front");
  const { run, placement } = button.dataset;
  for (const [curve, trace] of place.data.entries()) {
    const point = trace.meta === Number(run) ? trace.customdata.indexOf(placement) : -1;
    if (point < 0) continue;
    place.scrollIntoView({ block: "center" });
    show(place, curve, point);
    return;
  }
}

paint(dark.matches ? "dark" : "light");
draw();
dark.addEventListener("change", () => { paint(dark.matches ? "dark" : "light"); draw(); });
narrow.addEventListener("change", draw);
document.getElementById("theme").addEventListener("click", () => {
  paint(root.dataset.theme === "dark" ? "light" : "dark");
  draw();
});
axis?.addEventListener("change", () => { walked = -1; draw(); });
document.getElementById("front")?.addEventListener("keydown", walk);
for (const button of document.querySelectorAll(".placement")) {
  button.addEventListener("click", () => find(button));
}
