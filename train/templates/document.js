(() => {
  let pinned = null;
  const held = () => pinned?.isConnected ? pinned : null; // another article may have taken its place
  const rows = ".relation, .entity";
  const show = row => {
    document.querySelectorAll("mark.lit").forEach(mark => mark.classList.remove("lit"));
    if (row) row.dataset.marks.split(" ").forEach(key => document.getElementById(key).classList.add("lit"));
  };
  const pin = row => {
    if (pinned) pinned.classList.remove("pinned");
    pinned = row === pinned ? null : row;
    if (pinned) pinned.classList.add("pinned");
    show(pinned);
  };
  for (const kind of ["mouseover", "focusin"])
    document.addEventListener(kind, event => show(event.target.closest(rows) || held()));
  document.addEventListener("focusout", () => show(held()));
  document.addEventListener("click", event => { const row = event.target.closest(rows); if (row || pinned) pin(row); });
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && pinned) pin(null);
    if (event.key === "Enter" && event.target.matches(rows)) pin(event.target);
  });
})();
