// What Sora nodes say, where a person sees it: the size, memory and time of a grid as its values change, notes of a run
// on the node and as a toast, an expanded prompt that can be edited, and a preview that moves on the classic canvas.
// Everything is drawn in DOM widgets, which both renderings of the interface show and which are saved nowhere.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const FREE = "free (width x height)";
const GRID_VALUES = ["aspect", "short_side", "width", "height", "seconds", "fps"];
const WAIT = 250; // milliseconds after the last change before the server is asked
const ORDINARY = /^\d+ frames at [\d.]+ fps\.$/; // what an edit says when nothing was changed on the way in

const STYLE = `
.sora-says { box-sizing: border-box; width: 100%; height: 100%; overflow: auto; padding: 4px 8px; border-radius: 6px;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); font: 12px/1.4 sans-serif;
  white-space: pre-wrap; user-select: text; }
.sora-says.wrong { color: var(--error-text, #ff7070); }
.sora-says button { display: block; margin-top: 4px; padding: 1px 8px; border: 1px solid currentColor;
  border-radius: 4px; background: none; color: inherit; font: inherit; cursor: pointer; }
.sora-preview { width: 100%; height: 100%; object-fit: contain; }`;

const extras = new WeakMap(); // node -> its DOM widgets by name

function extra(node, name, tag, height) {
  const known = extras.get(node) ?? {};
  extras.set(node, known);
  if (known[name]) return known[name];
  const element = document.createElement(tag);
  element.className = name;
  const widget = node.addDOMWidget(name, name, element, {
    serialize: false, hideOnZoom: false, getMinHeight: () => height, getMaxHeight: () => 4 * height,
  });
  widget.serialize = false;
  known[name] = element;
  const [width, least] = node.computeSize();
  node.setSize([Math.max(width, node.size[0]), Math.max(least, node.size[1])]);
  return element;
}

function say(node, text, { wrong = false, height = 56 } = {}) {
  const box = extra(node, "sora-says", "div", height);
  box.classList.toggle("wrong", wrong);
  box.textContent = text;
  return box;
}

function toast(node, detail) {
  app.extensionManager?.toast?.add({ severity: "info", summary: node.title, detail, life: 10000 });
}

// The node of "3", or of "7:3" inside the subgraph that node 7 stands for.
function nodeOf(id) {
  let [node, graph] = [undefined, app.rootGraph ?? app.graph];
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part));
    graph = node?.subgraph;
  }
  return node;
}

const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name);

function onChange(widget, call) {
  const before = widget.callback;
  widget.callback = function (...given) {
    const result = before?.apply(this, given);
    call();
    return result;
  };
}

function origin(node, input) {
  let slot = node.inputs?.findIndex((item) => item.name === input) ?? -1;
  let found = slot < 0 ? null : node.getInputNode?.(slot);
  for (let i = 0; found?.type === "Reroute" && i < 100; i++) found = found.getInputNode(0);
  return found;
}

// The value of a widget, or of the primitive linked to it; undefined where only the run will tell.
function valueOf(node, name) {
  const linked = node.inputs?.find((item) => item.name === name && item.link != null);
  if (!linked) return widgetOf(node, name)?.value;
  const source = origin(node, name);
  return source?.type === "PrimitiveNode" ? source.widgets?.[0]?.value : undefined;
}

// --- Sora Noise Grid

const waiting = new WeakMap(); // node -> the timer of its next question, which is also what the last question was

function estimateSoon(node) {
  clearTimeout(waiting.get(node));
  const asked = setTimeout(() => estimate(node, asked), WAIT);
  waiting.set(node, asked);
}

// A later question may be answered before this one: only the last answer is shown.
async function estimate(node, asked) {
  showShape(node);
  const values = Object.fromEntries(GRID_VALUES.map((name) => [name, valueOf(node, name)]));
  const open = GRID_VALUES.filter((name) => values[name] === undefined);
  if (open.length) return say(node, `${open.join(", ")}: linked, so the size is told when it runs.`);
  const loader = origin(node, "vae");
  const model = loader?.comfyClass === "SoraLoadModel" ? widgetOf(loader, "model")?.value : undefined;
  const query = new URLSearchParams(model ? { ...values, model } : values);
  try {
    const answer = await (await api.fetchApi(`/sora/estimate?${query}`)).json();
    if (waiting.get(node) === asked) say(node, answer.text ?? answer.error, { wrong: !answer.text });
  } catch {
    if (waiting.get(node) === asked) say(node, "the server does not answer; the size is told when it runs.", { wrong: true });
  }
}

// Only the fields that the shape uses; one that is linked stays.
function showShape(node) {
  const free = valueOf(node, "aspect") === FREE;
  for (const [name, used] of [["short_side", !free], ["width", free], ["height", free]]) {
    const widget = widgetOf(node, name);
    if (!widget) continue;
    const hidden = !used && !node.inputs?.some((item) => item.name === name && item.link != null);
    widget.hidden = hidden;
    if (widget.options) widget.options.hidden = hidden;
  }
  if (globalThis.LiteGraph?.vueNodesMode) node.widgets.splice(0, node.widgets.length, ...node.widgets); // or it stays as drawn
  node.setDirtyCanvas?.(true, true);
}

function watchGrid(node) {
  for (const name of GRID_VALUES) {
    const widget = widgetOf(node, name);
    if (widget) onChange(widget, () => estimateSoon(node));
  }
  for (const event of ["onConfigure", "onConnectionsChange"]) {
    const before = node[event];
    node[event] = function (...given) {
      const result = before?.apply(this, given);
      estimateSoon(node);
      return result;
    };
  }
  say(node, "…");
  estimateSoon(node);
}

// --- what a run says

function onExecuted(node, output, aloud = true) {
  const text = [output?.text ?? []].flat().join("\n");
  if (!text) return;
  if (node.comfyClass === "SoraExpandPrompt") return sayCaption(node, text);
  say(node, text);
  if (aloud && node.comfyClass !== "SoraNoiseGrid" && !ORDINARY.test(text)) toast(node, text);
}

let queued = {}; // the job last queued, as the server takes it: {id: {inputs}}

// A node and all that it depends on, as one text.
function behind(job, id) {
  const found = new Map(), waiting = [id];
  while (waiting.length) {
    const one = String(waiting.pop());
    if (found.has(one) || !job?.[one]) continue;
    const { class_type, inputs = {} } = job[one];
    found.set(one, [class_type, inputs]);
    for (const value of Object.values(inputs)) if (Array.isArray(value) && value.length === 2) waiting.push(value[0]);
  }
  return JSON.stringify([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

// A result that the server has kept from an earlier run comes without its words; the run that made it still has them.
async function recall(ids) {
  const silent = ids.filter((id) => {
    const node = nodeOf(id), box = extras.get(node)?.["sora-says"];
    return node?.comfyClass?.startsWith("Sora") && (!box?.textContent || box.classList.contains("wrong"));
  });
  if (!silent.length) return;
  const runs = Object.values(await (await api.fetchApi("/history?max_items=16")).json()).reverse();
  for (const id of silent) {
    const now = behind(queued, id);
    const same = runs.find((run) => run.outputs?.[id]?.text && behind(run.prompt?.[2], id) === now);
    if (same) onExecuted(nodeOf(id), same.outputs[id], false);
  }
}

function sayCaption(node, text) {
  const box = say(node, text, { height: 90 });
  const field = widgetOf(node, "caption");
  if (!field || field.value?.trim()) return;
  const button = document.createElement("button");
  button.textContent = "Edit";
  button.title = "Put this caption into the field `caption`, which is used as it stands";
  const [caption] = text.split("\n"); // notes follow in lines of their own
  button.onclick = () => {
    field.value = caption;
    field.callback?.(caption);
    button.remove();
  };
  box.append(button);
}

// --- a workflow of a version with more inputs

function sayUnknown(node, saved) {
  const { required, optional } = node.constructor.nodeData?.input ?? {};
  if (!required && !optional) return;
  const drawn = (name) => widgetOf(node, name) || name.startsWith("sora-"); // the interface's buttons, and our own boxes
  const known = (name) => name in { ...required, ...optional } || drawn(name);
  const unknown = (saved?.inputs ?? []).map((item) => item.name).filter((name) => !known(name));
  if (!unknown.length) return;
  const text = `saved by a later version of this node: ${unknown.join(", ")} is not known here and left out.`;
  say(node, text);
  toast(node, text);
}

// --- the preview of a sampler

function showPreview(id, blob) {
  const node = nodeOf(id);
  if (node?.comfyClass !== "SoraSampler" || globalThis.LiteGraph?.vueNodesMode) return;
  const picture = extra(node, "sora-preview", "img", 128);
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  // the canvas would draw the first frame once more, below ours
  Object.defineProperty(node, "imgs", { configurable: true, get: () => undefined, set() {} });
}

// --- what is wrong, on the node itself: newer interfaces keep the sentence behind several clicks

const wrongNodes = new Set(); // what they say goes when the next run is queued

function sayWrong(id, kind, sentence) {
  if (!kind?.startsWith("Sora") || !sentence) return;
  const node = nodeOf(id);
  if (node) {
    say(node, sentence, { wrong: true });
    wrongNodes.add(node);
  }
  app.extensionManager?.toast?.add({ severity: "error", summary: node?.title ?? kind, detail: sentence, life: 20000 });
}

function watchErrors() {
  const queue = api.queuePrompt;
  api.queuePrompt = async function (...given) {
    queued = given[1]?.output ?? {};
    for (const node of wrongNodes) say(node, "");
    wrongNodes.clear();
    const wrong = (answer) => {
      for (const [id, found] of Object.entries(answer?.node_errors ?? {}))
        sayWrong(id, found.class_type, found.errors?.map((one) => one.details || one.message).join("\n"));
    };
    try {
      const answer = await queue.apply(this, given);
      wrong(answer); // of a part that is left out, while others run
      return answer;
    } catch (error) {
      wrong(error?.response);
      throw error;
    }
  };
  api.addEventListener("execution_error", ({ detail }) =>
    sayWrong(detail.node_id, detail.node_type, detail.exception_message?.trim()));
}

// --- the templates of the pack: the first one first, those of weights to be downloaded last; else the disk decides

const rank = (name) => (name === "text_to_video" ? 0 : name.startsWith("wan") ? 2 : 1);

function orderTemplates() {
  const list = api.getWorkflowTemplates;
  api.getWorkflowTemplates = async function (...given) {
    const all = await list.apply(this, given);
    const ours = Object.values(all).filter((names) => names.includes?.("loop_by_stock_sampler"));
    for (const names of ours) names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    return all;
  };
}

app.registerExtension({
  name: "sora.nodes",
  setup() {
    orderTemplates();
    document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
    watchErrors();
    api.addEventListener("execution_cached", ({ detail }) => recall(detail?.nodes ?? []).catch(() => {}));
    api.addEventListener("b_preview_with_metadata", ({ detail }) => showPreview(detail.displayNodeId ?? detail.nodeId, detail.blob));
  },
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("Sora")) return;
    const before = node.onExecuted;
    node.onExecuted = function (output) {
      before?.call(this, output);
      onExecuted(this, output);
    };
    const configured = node.onConfigure;
    node.onConfigure = function (saved) {
      configured?.call(this, saved);
      sayUnknown(this, saved);
    };
    if (node.comfyClass === "SoraNoiseGrid") watchGrid(node);
  },
});
