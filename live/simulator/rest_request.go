package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/valyala/fasthttp"
)

// quotaMarker in the person's text, or in the model's name, makes the text API answer that the quota is used up.
const quotaMarker = "[[simulate: quota]]"

// generateRequest is a GenerateContentRequest of either API. Like the structs of the Live API it has every field
// that the service knows; those that change nothing here are of type any.
type generateRequest struct {
	Contents          []content `json:"contents"`
	SystemInstruction *content  `json:"systemInstruction"`
	GenerationConfig  struct {
		MaxOutputTokens            int    `json:"maxOutputTokens"`
		ResponseMIMEType           string `json:"responseMimeType"`
		CandidateCount             any    `json:"candidateCount"`
		StopSequences              any    `json:"stopSequences"`
		Temperature                any    `json:"temperature"`
		TopP                       any    `json:"topP"`
		TopK                       any    `json:"topK"`
		Seed                       any    `json:"seed"`
		ResponseSchema             any    `json:"responseSchema"`
		ResponseJSONSchema         any    `json:"responseJsonSchema"`
		ResponseFormat             any    `json:"responseFormat"`
		PresencePenalty            any    `json:"presencePenalty"`
		FrequencyPenalty           any    `json:"frequencyPenalty"`
		ResponseLogprobs           any    `json:"responseLogprobs"`
		Logprobs                   any    `json:"logprobs"`
		ResponseModalities         any    `json:"responseModalities"`
		SpeechConfig               any    `json:"speechConfig"`
		ThinkingConfig             any    `json:"thinkingConfig"`
		ImageConfig                any    `json:"imageConfig"`
		MediaResolution            any    `json:"mediaResolution"`
		AudioTimestamp             any    `json:"audioTimestamp"`
		RoutingConfig              any    `json:"routingConfig"`
		ModelSelectionConfig       any    `json:"modelSelectionConfig"`
		EnableAffectiveDialog      any    `json:"enableAffectiveDialog"`
		EnableEnhancedCivicAnswers any    `json:"enableEnhancedCivicAnswers"`
	} `json:"generationConfig"`
	Tools            any `json:"tools"`
	ToolConfig       any `json:"toolConfig"`
	SafetySettings   any `json:"safetySettings"`
	CachedContent    any `json:"cachedContent"`
	Labels           any `json:"labels"`
	Model            any `json:"model"`
	Store            any `json:"store"`
	ServiceTier      any `json:"serviceTier"`
	ModelArmorConfig any `json:"modelArmorConfig"`
}

// textRequest is what an answer is made of.
type textRequest struct {
	text        string // of the newest user turn
	turns       int    // before it
	attachments int    // parts of the newest user turn that are not text
	instruction string
	maxTokens   int  // 0: as many as the answer has
	json        bool // the answer is to be JSON

	textTokens, imageTokens int // of the whole request, estimated
}

func badRequest(text string) *restError {
	return &restError{Code: fasthttp.StatusBadRequest, Message: text}
}

// parseTextRequest reads a request's body as strictly as Google: unknown fields are refused, snake_case is taken.
func parseTextRequest(body []byte) (r textRequest, refused *restError) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil || d.More() {
		return r, badRequest("Invalid JSON payload received. Parse error.")
	}
	var req generateRequest
	if e := fill(reflect.ValueOf(&req).Elem(), tree, ""); e != nil {
		return r, badRequest(e.reason)
	}
	if len(req.Contents) == 0 {
		return r, badRequest("* GenerateContentRequest.contents: contents is not specified\n")
	}
	for i, c := range req.Contents {
		switch {
		case len(c.Parts) == 0:
			return r, badRequest(fmt.Sprintf("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n", i))
		case c.Role == "" || c.Role == "user":
			r.text, r.attachments, r.turns = c.text(), c.attachments(), i
		case c.Role != "model" && c.Role != "function":
			return r, badRequest("Please use a valid role: user, model.")
		}
		r.count(c)
	}
	if req.SystemInstruction != nil {
		r.instruction = req.SystemInstruction.text()
		r.count(*req.SystemInstruction)
	}
	if r.maxTokens = req.GenerationConfig.MaxOutputTokens; r.maxTokens < 0 {
		return r, badRequest("* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive.\n")
	}
	r.json = req.GenerationConfig.ResponseMIMEType == "application/json"
	return r, nil
}

// attachments counts the parts that are not text.
func (c content) attachments() (n int) {
	for _, p := range c.Parts {
		if p.Text == "" {
			n++
		}
	}
	return n
}

// pictureTokens is what Google counts for a picture at the usual resolution.
const pictureTokens = 258

func (r *textRequest) count(c content) {
	r.textTokens += textTokens(c.text())
	r.imageTokens += c.attachments() * pictureTokens
}

// textTokens estimates: about four characters are a token in the languages that Google's documentation measures.
func textTokens(text string) int { return (len([]rune(text)) + 3) / 4 }
