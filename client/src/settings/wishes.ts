// What the settings mean for a conversation: only what this server offers and lets a page set is asked for, because it
// refuses a conversation that asks for more.
import type { ModelOffer, ServerConfig } from "@/voice/api";
import type { SessionConfig, VadConfig } from "@/voice/protocol";
import type { Settings } from "./settings";

/** What a new conversation begins with. Before the server's answer is known that is the way of speaking, and no names. */
export function wishes(s: Settings, offer: ServerConfig | undefined): SessionConfig {
  const config: SessionConfig = {};
  const model = modelOf(s, offer);
  if (may(offer, "assistant") && offer?.assistants.some((x) => x.name === s.assistant)) config.assistant = s.assistant;
  if (may(offer, "model") && offer?.models.some((x) => x.id === s.model)) config.model = s.model;
  if (may(offer, "voice") && model?.voices.includes(s.voice)) config.voice = s.voice;
  if (may(offer, "language") && model?.languages.includes(s.language)) config.language = s.language;
  const vad: VadConfig = {};
  if (s.pushToTalk) vad.mode = "manual";
  if (s.sensitivity) vad.startSensitivity = s.sensitivity;
  if (may(offer, "vad") && Object.keys(vad).length > 0) config.vad = vad;
  return config;
}

/** What to tell the conversation that is under way; undefined: the change is not its business, or comes with the next one. */
export function updateOf(change: Partial<Settings>, offer: ServerConfig | undefined): SessionConfig | undefined {
  const config: SessionConfig = {};
  // A voice that is nobody's wish any more stays until the end: there is no word for "the assistant's own".
  if (change.voice && may(offer, "voice")) config.voice = change.voice;
  if (change.language !== undefined && may(offer, "language")) config.language = change.language || "auto";
  const vad: VadConfig = {};
  if (change.pushToTalk !== undefined) vad.mode = change.pushToTalk ? "manual" : "auto";
  if (change.sensitivity) vad.startSensitivity = change.sensitivity;
  if (may(offer, "vad") && Object.keys(vad).length > 0) config.vad = vad;
  return Object.keys(config).length > 0 ? config : undefined;
}

/** The model that a conversation would be with; undefined where the server does not tell. */
export function modelOf({ model }: Settings, offer: ServerConfig | undefined): ModelOffer | undefined {
  const find = (id: string | undefined): ModelOffer | undefined => offer?.models.find((x) => x.id === id);
  return find(model) ?? find(offer?.defaultModel);
}

/** Whether the server lets a page set a field; one that does not answer is taken to let it. */
export function may(offer: ServerConfig | undefined, field: string): boolean {
  return offer === undefined || offer.clientMaySet.includes(field);
}
