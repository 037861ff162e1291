package simulator

import (
	"slices"
	"strings"
)

// enum is a string of which only some values are known; the service refuses the others. Names and values are those of
// google.golang.org/genai v1.77.0, types.go, and of https://ai.google.dev/api/live.
type enum interface{ known() bool }

// oneOf reports whether v is absent or one of names.
func oneOf(v, names string) bool { return v == "" || slices.Contains(strings.Fields(names), v) }

type startSensitivity string

func (v startSensitivity) known() bool {
	return oneOf(string(v), "START_SENSITIVITY_UNSPECIFIED START_SENSITIVITY_HIGH START_SENSITIVITY_LOW")
}

type endSensitivity string

func (v endSensitivity) known() bool {
	return oneOf(string(v), "END_SENSITIVITY_UNSPECIFIED END_SENSITIVITY_HIGH END_SENSITIVITY_LOW")
}

type activityHandling string

func (v activityHandling) known() bool {
	return oneOf(string(v), "ACTIVITY_HANDLING_UNSPECIFIED START_OF_ACTIVITY_INTERRUPTS NO_INTERRUPTION")
}

type turnCoverage string

func (v turnCoverage) known() bool {
	return oneOf(string(v), "TURN_COVERAGE_UNSPECIFIED TURN_INCLUDES_ONLY_ACTIVITY TURN_INCLUDES_ALL_INPUT "+
		"TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO")
}

type mediaResolution string

func (v mediaResolution) known() bool {
	return oneOf(string(v), "MEDIA_RESOLUTION_UNSPECIFIED MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM MEDIA_RESOLUTION_HIGH")
}

type transcriptionMode string

func (v transcriptionMode) known() bool { return oneOf(string(v), "MODE_UNSPECIFIED VERBATIM SMART") }

type behavior string

func (v behavior) known() bool { return oneOf(string(v), "UNSPECIFIED BLOCKING NON_BLOCKING") }

// scheduling is spelled INTERRUPT by the SDKs and INTERRUPTED by some pages.
type scheduling string

func (v scheduling) known() bool {
	return oneOf(string(v), "SCHEDULING_UNSPECIFIED SILENT WHEN_IDLE INTERRUPT INTERRUPTED")
}

// schemaType is in upper case; the service takes lower case too.
type schemaType string

func (v schemaType) known() bool {
	return oneOf(strings.ToUpper(string(v)), "TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL")
}

// schema is what a function takes or gives, in the service's own form: a part of OpenAPI's. JSON Schema, with
// additionalProperties and all, goes into parametersJsonSchema.
type schema struct {
	Type             schemaType         `json:"type"`
	Format           string             `json:"format"`
	Title            string             `json:"title"`
	Description      string             `json:"description"`
	Nullable         bool               `json:"nullable"`
	Enum             []string           `json:"enum"`
	Items            *schema            `json:"items"`
	Properties       map[string]*schema `json:"properties"`
	Required         []string           `json:"required"`
	PropertyOrdering []string           `json:"propertyOrdering"`
	AnyOf            []*schema          `json:"anyOf"`
	Minimum          *float64           `json:"minimum"`
	Maximum          *float64           `json:"maximum"`
	MinItems         *int64             `json:"minItems"`
	MaxItems         *int64             `json:"maxItems"`
	MinLength        *int64             `json:"minLength"`
	MaxLength        *int64             `json:"maxLength"`
	MinProperties    *int64             `json:"minProperties"`
	MaxProperties    *int64             `json:"maxProperties"`
	Pattern          string             `json:"pattern"`
	Default          any                `json:"default"`
	Example          any                `json:"example"`
}
