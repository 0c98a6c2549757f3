// Values under the pointer. The page says everything without this.
const box = document.getElementById("hover");
for (const chart of document.querySelectorAll("svg.chart")) {
  const points = JSON.parse(chart.dataset.points);
  const hair = chart.querySelector(".hair");
  if (!points.length) continue;
  chart.addEventListener("pointermove", (event) => {
    const area = chart.getBoundingClientRect();
    const x = (event.clientX - area.left) * chart.viewBox.baseVal.width / area.width;
    const [px, , text] = points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    hair.setAttribute("x1", px);
    hair.setAttribute("x2", px);
    hair.classList.add("on");
    box.textContent = text;
    box.hidden = false;
    const left = Math.min(event.pageX + 12, document.documentElement.clientWidth - box.offsetWidth - 8);
    box.style.left = Math.max(8, left) + "px";
    box.style.top = event.pageY - box.offsetHeight - 12 + "px";
  });
  chart.addEventListener("pointerleave", () => {
    hair.classList.remove("on");
    box.hidden = true;
  });
}
