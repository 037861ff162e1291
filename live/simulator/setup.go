package simulator

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// The backends, by whose path a client came.
const (
	backendGemini = "gemini"
	backendVertex = "vertex"
)

// setup is the first message of a connection.
type setup struct {
	Model                    string               `json:"model"`
	GenerationConfig         generationConfig     `json:"generationConfig"`
	SystemInstruction        *content             `json:"systemInstruction"`
	Tools                    []tool               `json:"tools"`
	RealtimeInputConfig      realtimeInputConfig  `json:"realtimeInputConfig"`
	SessionResumption        *sessionResumption   `json:"sessionResumption"`
	ContextWindowCompression *compression         `json:"contextWindowCompression"`
	InputAudioTranscription  *transcriptionConfig `json:"inputAudioTranscription"`
	OutputAudioTranscription *transcriptionConfig `json:"outputAudioTranscription"`
	Proactivity              *struct {
		ProactiveAudio bool `json:"proactiveAudio"`
	} `json:"proactivity"`
	HistoryConfig struct {
		InitialHistoryInClientContent bool `json:"initialHistoryInClientContent"`
	} `json:"historyConfig"`
	ExplicitVADSignal *bool             `json:"explicitVadSignal"`
	SafetySettings    []any             `json:"safetySettings"`
	AvatarConfig      any               `json:"avatarConfig"`
	Labels            map[string]string `json:"labels"`
	PrefixTurns       []content         `json:"prefixTurns"`
}

type generationConfig struct {
	ResponseModalities    []string        `json:"responseModalities"`
	Temperature           *float64        `json:"temperature"`
	TopP                  *float64        `json:"topP"`
	TopK                  *float64        `json:"topK"`
	MaxOutputTokens       *int64          `json:"maxOutputTokens"`
	Seed                  *int64          `json:"seed"`
	MediaResolution       mediaResolution `json:"mediaResolution"`
	SpeechConfig          *speechConfig   `json:"speechConfig"`
	ThinkingConfig        any             `json:"thinkingConfig"`
	EnableAffectiveDialog *bool           `json:"enableAffectiveDialog"`
	TranslationConfig     any             `json:"translationConfig"`
	CandidateCount        *int64          `json:"candidateCount"`
	PresencePenalty       *float64        `json:"presencePenalty"`
	FrequencyPenalty      *float64        `json:"frequencyPenalty"`
}

type speechConfig struct {
	LanguageCode string `json:"languageCode"`
	VoiceConfig  *struct {
		PrebuiltVoiceConfig *struct {
			VoiceName string `json:"voiceName"`
		} `json:"prebuiltVoiceConfig"`
		ReplicatedVoiceConfig any `json:"replicatedVoiceConfig"`
	} `json:"voiceConfig"`
}

type tool struct {
	FunctionDeclarations []declaration `json:"functionDeclarations"`
	GoogleSearch         any           `json:"googleSearch"`
	CodeExecution        any           `json:"codeExecution"`
	URLContext           any           `json:"urlContext"`
}

type declaration struct {
	Name                 string   `json:"name"`
	Description          string   `json:"description"`
	Parameters           *schema  `json:"parameters"`
	ParametersJSONSchema any      `json:"parametersJsonSchema"`
	Response             *schema  `json:"response"`
	ResponseJSONSchema   any      `json:"responseJsonSchema"`
	Behavior             behavior `json:"behavior"`
}

type realtimeInputConfig struct {
	AutomaticActivityDetection struct {
		Disabled                 bool             `json:"disabled"`
		StartOfSpeechSensitivity startSensitivity `json:"startOfSpeechSensitivity"`
		EndOfSpeechSensitivity   endSensitivity   `json:"endOfSpeechSensitivity"`
		PrefixPaddingMs          *int64           `json:"prefixPaddingMs"`
		SilenceDurationMs        *int64           `json:"silenceDurationMs"`
	} `json:"automaticActivityDetection"`
	ActivityHandling                  activityHandling `json:"activityHandling"`
	TurnCoverage                      turnCoverage     `json:"turnCoverage"`
	InterimTranscriptTimestampEnabled bool             `json:"interimTranscriptTimestampEnabled"`
}

type sessionResumption struct {
	Handle      string `json:"handle"`
	Transparent *bool  `json:"transparent"`
}

// transparent reports whether the client is told the index that a handle includes.
func (r *sessionResumption) transparent() bool { return r.Transparent != nil && *r.Transparent }

type compression struct {
	TriggerTokens *int64 `json:"triggerTokens"`
	SlidingWindow *struct {
		TargetTokens *int64 `json:"targetTokens"`
	} `json:"slidingWindow"`
}

type transcriptionConfig struct {
	LanguageCodes     []string          `json:"languageCodes"`
	CustomVocabulary  []string          `json:"customVocabulary"`
	Diarization       bool              `json:"diarization"`
	WordTimestamp     bool              `json:"wordTimestamp"`
	Mode              transcriptionMode `json:"mode"`
	LanguageAuto      any               `json:"languageAuto"`
	LanguageHints     any               `json:"languageHints"`
	AdaptationPhrases []string          `json:"adaptationPhrases"`
}

// voices are those of native audio models. They are case-sensitive.
var voices = strings.Fields(`Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel
Algieba Despina Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi
Vindemiatrix Sadachbia Sadaltager Sulafat`)

const (
	reasonBadKey    = "API key not valid. Please pass a valid API key."
	reasonNoKey     = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."
	reasonArgument  = "Request contains an invalid argument."
	reasonQuota     = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
	reasonNoSession = "BidiGenerateContent session not found"
	reasonInternal  = "Internal error encountered."
	reasonAborted   = "The operation was aborted."
	reasonGoAway    = "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the session duration limit was reached."
)

// credentials are what a client came with; key is empty when there were none.
type credentials struct {
	backend string
	key     string
}

// refuse decides on credentials, as the service does, only when the setup has come.
func (c Config) refuse(who credentials) *refusal {
	switch {
	case who.key == "":
		return &refusal{1008, reasonNoKey}
	case slices.ContainsFunc(c.BadKeys, func(bad string) bool { return strings.HasPrefix(who.key, bad) }):
		if who.backend == backendVertex {
			return &refusal{1008, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."}
		}
		return invalid(reasonBadKey)
	default:
		return nil
	}
}

var (
	geminiModel = regexp.MustCompile(`^models/([a-z0-9.-]+)$`)
	vertexModel = regexp.MustCompile(`^(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/([a-z0-9.-]+)$`)
)

// known reports whether a model id is one that this server plays.
func (c Config) known(id string) bool {
	if len(c.Models) == 0 {
		return strings.HasPrefix(id, "gemini-")
	}
	return slices.Contains(c.Models, id)
}

// check refuses what the service refuses in a setup.
func (s *setup) check(c Config, backend, version string) *refusal {
	id, ok := s.modelID(backend)
	if !ok || !c.known(id) {
		if backend == backendVertex {
			return &refusal{1008, "Publisher Model `" + s.Model + "` was not found or your project does not have access to it. Please ensure you are using a valid model version."}
		}
		return &refusal{1008, s.Model + " is not found for API version " + version + ", or is not supported for bidiGenerateContent. Call ModelService.ListModels to see the list of available models and their supported methods."}
	}
	if r := s.checkBackend(backend); r != nil {
		return r
	}
	modality := "AUDIO"
	switch len(s.GenerationConfig.ResponseModalities) {
	case 0:
	case 1:
		modality = s.GenerationConfig.ResponseModalities[0]
	default:
		return invalid(reasonArgument)
	}
	speech := s.GenerationConfig.SpeechConfig
	switch modality {
	case "AUDIO":
	case "TEXT":
		if speech != nil && speech.VoiceConfig != nil {
			return invalid("Cannot extract voices from a non-audio request.")
		}
		if strings.Contains(id, "native-audio") || strings.HasPrefix(id, "gemini-3") && !strings.Contains(id, "transcribe") {
			return invalid("The requested combination of response modalities (TEXT) is not supported by the model.")
		}
	default:
		return invalid(reasonArgument)
	}
	if speech != nil {
		if v := speech.VoiceConfig; v != nil && v.PrebuiltVoiceConfig != nil && !slices.Contains(voices, v.PrebuiltVoiceConfig.VoiceName) {
			return invalid("No matching speaker voice found")
		}
		if speech.LanguageCode != "" && strings.Contains(id, "2.5") && strings.Contains(id, "native-audio") {
			return invalid("Unsupported language code '%s' for model %s", speech.LanguageCode, s.Model)
		}
	}
	if strings.HasPrefix(id, "gemini-3.8-live") && !strings.Contains(id, "extended") &&
		(s.GenerationConfig.ThinkingConfig != nil || s.GenerationConfig.EnableAffectiveDialog != nil || s.Proactivity != nil && !s.Proactivity.ProactiveAudio) {
		return invalid(reasonArgument)
	}
	if strings.Contains(id, "extended-thinking") && slices.ContainsFunc(functions(s.Tools), func(f declaration) bool { return f.Behavior == "BLOCKING" }) {
		return invalid(reasonArgument)
	}
	return nil
}

// checkBackend knows the fields that one backend takes and the other does not.
func (s *setup) checkBackend(backend string) *refusal {
	unknown := func(name, path string) *refusal {
		return invalid("Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, path)
	}
	if backend == backendVertex {
		if s.RealtimeInputConfig.TurnCoverage == "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO" {
			return invalid(reasonArgument)
		}
		return nil
	}
	if s.SessionResumption != nil && s.SessionResumption.Transparent != nil {
		return unknown("transparent", "setup.session_resumption")
	}
	if s.ExplicitVADSignal != nil {
		return unknown("explicitVadSignal", "setup")
	}
	return nil
}

func (s *setup) modelID(backend string) (string, bool) {
	shape := geminiModel
	if backend == backendVertex {
		shape = vertexModel
	}
	m := shape.FindStringSubmatch(s.Model)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// text reports whether the answers are to be text.
func (s *setup) text() bool {
	return len(s.GenerationConfig.ResponseModalities) == 1 && s.GenerationConfig.ResponseModalities[0] == "TEXT"
}

// detection is the VAD that a setup asks for.
func (s *setup) detection(c Config, backend string) detection {
	a := s.RealtimeInputConfig.AutomaticActivityDetection
	d := detection{prefix: c.PrefixPadding, silence: c.SilenceDuration, threshold: thresholdHigh}
	if a.PrefixPaddingMs != nil {
		d.prefix = time.Duration(max(0, *a.PrefixPaddingMs)) * time.Millisecond
	}
	if a.SilenceDurationMs != nil {
		d.silence = time.Duration(max(10, *a.SilenceDurationMs)) * time.Millisecond
	}
	if low := startSensitivity("START_SENSITIVITY_LOW"); a.StartOfSpeechSensitivity == low || a.StartOfSpeechSensitivity == "" && backend == backendVertex {
		d.threshold = thresholdLow
	}
	if a.EndOfSpeechSensitivity == "END_SENSITIVITY_LOW" && a.SilenceDurationMs == nil {
		d.silence += d.silence / 2
	}
	return d
}

// compresses reports whether the context is to be compressed, which lifts the limit of a session.
func (s *setup) compresses() bool {
	return s.ContextWindowCompression != nil && s.ContextWindowCompression.SlidingWindow != nil
}

// explicitVAD reports whether the VAD's decisions are to be told.
func (s *setup) explicitVAD() bool { return s.ExplicitVADSignal != nil && *s.ExplicitVADSignal }

// functions lists what the model may call.
func functions(tools []tool) (all []declaration) {
	for _, t := range tools {
		all = append(all, t.FunctionDeclarations...)
	}
	return all
}
