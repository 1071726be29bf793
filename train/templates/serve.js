(() => {
  "use strict";
  const $ = id => document.getElementById(id);
  const text = $("text"), least = $("least"), result = $("result"), download = $("download");
  let asked = null;

  const say = (message, bad = false) => { $("status").textContent = message; $("status").className = bad ? "bad" : ""; };
  const send = async (body, signal) => {
    const response = await fetch("view", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
    const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
    if (!response.ok) throw new Error(answer.error);
    return answer;
  };
  const show = answer => {
    $("notes").textContent = answer.notes.join(" ");
    $("notes").hidden = !answer.notes.length;
    $("article").innerHTML = answer.article; // the server's own markup, with the text escaped in it
    $("graph").hidden = answer.graph === null;
    result.hidden = false; // before the graph, which takes its size from its frame
    $("frame").srcdoc = answer.graph ?? "";
    URL.revokeObjectURL(download.href);
    download.href = URL.createObjectURL(new Blob([JSON.stringify(answer.document), "\n"], { type: "application/json" }));
  };
  const tag = async () => {
    if (!text.value.trim()) { say("Paste an article first.", true); text.focus(); return; }
    asked?.abort();
    const own = asked = new AbortController();
    const body = { id: "article", text: text.value, ...(+least.value ? { min_precision: +least.value } : {}) };
    $("tag").disabled = true;
    say("Tagging …");
    try {
      show(await send(body, own.signal));
      say("");
      if (result.getBoundingClientRect().top > innerHeight * 0.7) result.scrollIntoView({ behavior: "smooth" });
    } catch (error) {
      if (own !== asked) return; // another request has taken its place
      result.hidden = true;
      say(error instanceof TypeError ? "The server cannot be reached." : error.message, true);
    } finally {
      if (own === asked) $("tag").disabled = false;
    }
  };
  $("form").addEventListener("submit", event => { event.preventDefault(); tag(); });
  $("example").addEventListener("click", event => { text.value = event.target.dataset.text; tag(); });
  text.addEventListener("keydown", event => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) tag(); });
  least.addEventListener("input", () => { $("shown").textContent = +least.value ? (+least.value).toFixed(2) : "as trained"; });
  least.addEventListener("change", () => { if (!result.hidden) tag(); });
})();
