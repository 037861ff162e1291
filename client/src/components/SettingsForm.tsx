import { settings as store, useSettings } from "@/hooks/use-settings";
import type { Sensitivity, Settings, Theme } from "@/settings/settings";
import { may, modelOf, updateOf, wishes } from "@/settings/wishes";
import type { ServerConfig } from "@/voice/api";
import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { isLive } from "@/voice/state";
import { DeviceSettings } from "./DeviceSettings";
import { Choices, Group, Select, Switch } from "./fields";
import { VoiceSample } from "./VoiceSample";
import { languageName } from "./words";

interface SettingsFormProps {
  call: Call;
  snapshot: CallSnapshot;
  offer: ServerConfig | undefined;
}

/** Everything that can be set; a change holds at once, where it can. */
export function SettingsForm({ call, snapshot, offer }: SettingsFormProps) {
  const settings = useSettings();
  const change = (part: Partial<Settings>): void => {
    store.set(part);
    const update = updateOf(part, offer);
    if (update) call.updateSession(update);
  };
  return (
    <form className="flex flex-col gap-7" onSubmit={(event) => event.preventDefault()}>
      <PartnerSettings {...{ settings, snapshot, offer, change }} />
      {may(offer, "vad") && <SpeakingSettings {...{ settings, change }} />}
      <DeviceSettings
        call={call}
        inCall={isLive(snapshot.status) && !snapshot.textOnly}
        settings={settings}
        onChange={(part) => {
          change(part);
          call.devicesChosen();
        }}
      />
      <Group title="Page">
        <Switch label="Captions" checked={settings.captions} onChange={(captions) => change({ captions })} />
        <Select
          label="Theme"
          value={settings.theme}
          options={[
            ["system", "Like the system"],
            ["light", "Light"],
            ["dark", "Dark"],
          ]}
          onChange={(theme) => change({ theme: theme as Theme })}
        />
      </Group>
    </form>
  );
}

interface PartProps {
  settings: Settings;
  change: (part: Partial<Settings>) => void;
}

/** Whom the person talks with: what the server offers, and lets them choose. */
function PartnerSettings({ settings, snapshot, offer, change }: PartProps & Omit<SettingsFormProps, "call">) {
  if (!offer) return <p className="text-muted">The server has not told what it offers.</p>;
  const live = isLive(snapshot.status);
  const later = live ? "From the next conversation on." : "";
  const { session } = snapshot;
  const model = modelOf(settings, offer);
  const assistant = offer.assistants.find((x) => x.name === offer.defaultAssistant);
  const usual = offer.models.find((x) => x.id === offer.defaultModel);
  const fields = [
    may(offer, "assistant") && offer.assistants.length > 1 && (
      <Select
        key="assistant"
        label="Assistant"
        value={settings.assistant}
        note={later}
        options={[["", `Default (${assistant?.label ?? offer.defaultAssistant})`], ...offer.assistants.map((x) => [x.name, x.label] as const)]}
        onChange={(value) => change({ assistant: value })}
      />
    ),
    may(offer, "model") && offer.models.length > 1 && (
      <Select
        key="model"
        label="Model"
        value={settings.model}
        note={later}
        options={[["", `Default (${usual?.label ?? offer.defaultModel})`], ...offer.models.map((x) => [x.id, x.label] as const)]}
        onChange={(value) => change({ model: value })}
      />
    ),
    may(offer, "voice") && model && model.voices.length > 0 && (
      <Select
        key="voice"
        label="Voice"
        value={settings.voice}
        note={live && settings.voice && session?.voice !== settings.voice ? "As soon as nobody speaks." : live && !settings.voice ? later : ""}
        options={[["", "The assistant's own"], ...model.voices.map((x) => [x, voiceName(x, offer.voiceNotes)] as const)]}
        onChange={(value) => change({ voice: value })}
      />
    ),
    may(offer, "voice") && model && model.voices.length > 0 && (
      <VoiceSample key={`sample ${settings.voice} ${settings.model} ${live}`} live={live} config={wishes({ ...settings, pushToTalk: false }, offer)} />
    ),
    may(offer, "language") && model && model.languages.length > 0 && (
      <Select
        key="language"
        label="Language"
        value={settings.language}
        note={live && settings.language && session?.language !== settings.language ? "As soon as nobody speaks." : ""}
        options={[["", "The one that you speak"], ...model.languages.map((x) => [x, languageName(x)] as const)]}
        onChange={(value) => change({ language: value })}
      />
    ),
  ].filter(Boolean);
  return fields.length > 0 ? <Group title="Conversation">{fields}</Group> : null;
}

function voiceName(name: string, notes: ReadonlyMap<string, string>): string {
  const note = notes.get(name);
  return note ? `${name} (${note})` : name;
}

function SpeakingSettings({ settings, change }: PartProps) {
  return (
    <Group title="Speaking">
      <Choices
        name="pushToTalk"
        label="How you speak"
        value={String(settings.pushToTalk)}
        options={[
          ["false", "Hands-free", "Just speak. Space mutes the microphone."],
          ["true", "Push to talk", "Hold the circle or the space bar while you speak."],
        ]}
        onChange={(value) => change({ pushToTalk: value === "true" })}
      />
      {!settings.pushToTalk && (
        <Select
          label="Hears the beginning of speech"
          value={settings.sensitivity}
          options={[
            ["", "As the model does"],
            ["high", "Easily: for soft voices"],
            ["low", "Hardly: for noisy rooms"],
          ]}
          onChange={(value) => change({ sensitivity: value as Sensitivity })}
        />
      )}
    </Group>
  );
}
