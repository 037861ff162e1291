import type { Session } from "./stats";

/** The conversations that are alive of one backend, assistant and, where the server tells it, variant. */
export interface Group {
  readonly backend: string;
  readonly assistant: string;
  readonly variant: string;
  readonly sessions: number;
  readonly turns: number;
  readonly interruptions: number;
  /** Connections to the model that were renewed, and browsers that came back. */
  readonly renewals: number;
  readonly resumes: number;
  readonly lostMs: number;
  readonly tokens: number;
  /** undefined: the server does not reckon it. */
  readonly costUsd: number | undefined;
}

/** Adds conversations up by what they talk with; the largest groups first. */
export function groupsOf(sessions: readonly Session[]): Group[] {
  const groups = new Map<string, Group>();
  for (const s of sessions) {
    const name = JSON.stringify([s.backend, s.assistant, s.variant]);
    groups.set(name, add(groups.get(name), s));
  }
  return [...groups.values()].sort((a, b) => b.sessions - a.sessions || a.backend.localeCompare(b.backend) || a.assistant.localeCompare(b.assistant));
}

function add(g: Group | undefined, { backend, assistant, variant, counters, usage }: Session): Group {
  const n = (name: string): number => counters[name] ?? 0;
  const cost = usage.costUsd;
  return {
    backend,
    assistant,
    variant,
    sessions: (g?.sessions ?? 0) + 1,
    turns: (g?.turns ?? 0) + n("turns"),
    interruptions: (g?.interruptions ?? 0) + n("interruptions"),
    renewals: (g?.renewals ?? 0) + n("renewals"),
    resumes: (g?.resumes ?? 0) + n("resumes"),
    lostMs: (g?.lostMs ?? 0) + n("lostAudioMs") + n("uplinkDroppedMs"),
    tokens: (g?.tokens ?? 0) + usage.inputTokens + usage.outputTokens,
    costUsd: cost === undefined ? g?.costUsd : (g?.costUsd ?? 0) + cost,
  };
}
