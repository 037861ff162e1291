"use client";

import { useSample } from "@/hooks/use-sample";
import type { SessionConfig } from "@/voice/protocol";
import { TestButton } from "./fields";

/** Lets somebody hear the chosen voice say a sentence; in a conversation they hear it there. */
export function VoiceSample({ config, live }: { config: SessionConfig; live: boolean }) {
  const { state, problem, press } = useSample(config);
  if (live) return null;
  return (
    <div className="-mt-2 flex flex-wrap items-center gap-3">
      <TestButton onPress={press}>{state === "silent" ? "Play a sample" : "Stop the sample"}</TestButton>
      <span role="status" data-sample={state} className="min-w-0 flex-1 text-sm text-muted">
        {state === "asking" && "Asking the model…"}
        {state === "sounding" && "This is how it sounds."}
        {state === "simulated" && "Simulated: without a key every voice is made of these tones."}
        {problem && (
          <span className="text-danger" data-sample-problem={problem.code}>
            {problem.title}. {problem.detail} {problem.next}
          </span>
        )}
      </span>
    </div>
  );
}
