package simulator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	vertexai "cloud.google.com/go/vertexai/genai"
	"github.com/googleapis/gax-go/v2/apierror"
	"golang.org/x/oauth2"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/genai"
)

// restClient is genai's client for the text API of one backend.
func restClient(t *testing.T, url string, backend genai.Backend, secret string) *genai.Client {
	t.Helper()
	cfg := &genai.ClientConfig{
		Backend: backend, HTTPClient: &http.Client{Transport: closedAfter(t)},
		HTTPOptions: genai.HTTPOptions{BaseURL: url},
	}
	if backend == genai.BackendVertexAI {
		cfg.Project, cfg.Location = "p", "europe-west4"
		cfg.Credentials = staticCredentials(secret)
		cfg.HTTPOptions.Headers = http.Header{"Authorization": {"Bearer " + secret}}
	} else {
		cfg.APIKey = secret
	}
	client, err := genai.NewClient(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// closedAfter is a transport whose connections end with the test.
func closedAfter(t *testing.T) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// threeTurns is a conversation whose last turn is the person's, of five words.
func threeTurns() []*genai.Content {
	return []*genai.Content{
		genai.NewContentFromText("I am Ada.", genai.RoleUser),
		genai.NewContentFromText("Noted.", genai.RoleModel),
		genai.NewContentFromText("what is the weather today", genai.RoleUser),
	}
}

func TestREST_genaiStreamsAnAnswerInPieces(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	for _, backend := range []genai.Backend{genai.BackendGeminiAPI, genai.BackendVertexAI} {
		t.Run(backend.String(), func(t *testing.T) {
			client := restClient(t, url, backend, "good")
			var pieces []string
			var last *genai.GenerateContentResponse
			cfg := &genai.GenerateContentConfig{SystemInstruction: genai.NewContentFromText("Be very brief.", genai.RoleUser)}
			for r, err := range client.Models.GenerateContentStream(context.Background(), "gemini-3.8-flash", threeTurns(), cfg) {
				if err != nil {
					t.Fatal(err)
				}
				pieces, last = append(pieces, r.Text()), r
			}
			const want = "Simulated answer: you wrote 5 words: “what is the weather today”. Before that there were 2 turns. My instruction has 3 words. No model was asked."
			if got := strings.Join(pieces, ""); got != want || len(pieces) < 4 {
				t.Errorf("%d pieces: %q", len(pieces), got)
			}
			u := last.UsageMetadata
			if last.Candidates[0].FinishReason != genai.FinishReasonStop || last.ModelVersion != "gemini-3.8-flash" || last.ResponseID == "" {
				t.Errorf("%+v", last)
			}
			if u == nil || u.PromptTokenCount == 0 || u.CandidatesTokenCount == 0 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount ||
				u.PromptTokensDetails[0].Modality != genai.MediaModalityText || u.PromptTokensDetails[0].TokenCount != u.PromptTokenCount {
				t.Errorf("usage %+v", u)
			}
		})
	}
}

func TestREST_genaiAsksForTheWholeAnswer(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	client := restClient(t, url, genai.BackendGeminiAPI, "good")
	ask := func(cfg *genai.GenerateContentConfig, parts ...*genai.Part) *genai.GenerateContentResponse {
		t.Helper()
		r, err := client.Models.GenerateContent(context.Background(), "gemini-3.8-flash",
			[]*genai.Content{{Role: genai.RoleUser, Parts: parts}}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := ask(nil, &genai.Part{Text: "hello"}, genai.NewPartFromBytes([]byte{1, 2, 3}, "image/png"))
	if got := r.Text(); !strings.Contains(got, "1 word: “hello”") || !strings.Contains(got, "1 attachment") || r.UsageMetadata.PromptTokenCount < pictureTokens {
		t.Error(got, r.UsageMetadata)
	}
	r = ask(&genai.GenerateContentConfig{MaxOutputTokens: 6}, &genai.Part{Text: "hello"})
	if r.Candidates[0].FinishReason != genai.FinishReasonMaxTokens || r.UsageMetadata.CandidatesTokenCount > 6 {
		t.Errorf("%+v %q", r.Candidates[0], r.Text())
	}
	r = ask(&genai.GenerateContentConfig{MaxOutputTokens: 1}, &genai.Part{Text: "hello"})
	if r.Candidates[0].FinishReason != genai.FinishReasonMaxTokens || r.Text() != "" {
		t.Errorf("%+v %q", r.Candidates[0], r.Text())
	}
	r = ask(&genai.GenerateContentConfig{ResponseMIMEType: "application/json"}, &genai.Part{Text: "hello"})
	var o struct{ Simulated string }
	if err := json.Unmarshal([]byte(r.Text()), &o); err != nil || !strings.Contains(o.Simulated, "hello") {
		t.Errorf("%v %q", err, r.Text())
	}
}

func TestREST_vertexaiStreamsAnAnswerInPieces(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	client := vertexAIClient(t, url, "good")
	m := client.GenerativeModel("gemini-3.8-flash")
	m.SystemInstruction = &vertexai.Content{Parts: []vertexai.Part{vertexai.Text("Be brief.")}}
	m.SafetySettings = []*vertexai.SafetySetting{{Category: vertexai.HarmCategoryHarassment, Threshold: vertexai.HarmBlockOnlyHigh}}
	m.ResponseSchema = &vertexai.Schema{Type: vertexai.TypeString}
	chat := m.StartChat()
	for turn, want := range []string{"Before that there were 0 turns.", "Before that there were 2 turns."} {
		var text strings.Builder
		var last *vertexai.GenerateContentResponse
		pieces := 0
		for it := chat.SendMessageStream(context.Background(), vertexai.Text("hello there")); ; pieces++ {
			r, err := it.Next()
			if errors.Is(err, iterator.Done) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(string(r.Candidates[0].Content.Parts[0].(vertexai.Text)))
			last = r
		}
		if !strings.Contains(text.String(), "2 words: “hello there”") || !strings.Contains(text.String(), want) || pieces < 4 {
			t.Errorf("turn %d: %d pieces, %q", turn, pieces, text.String())
		}
		if last.Candidates[0].FinishReason != vertexai.FinishReasonStop || last.UsageMetadata.CandidatesTokenCount == 0 || last.UsageMetadata.PromptTokenCount == 0 {
			t.Errorf("turn %d: %+v", turn, last)
		}
	}
	r, err := m.GenerateContent(context.Background(), vertexai.Text("hello"))
	if err != nil || !strings.Contains(string(r.Candidates[0].Content.Parts[0].(vertexai.Text)), "hello") {
		t.Errorf("%+v, %v", r, err)
	}
}

func vertexAIClient(t *testing.T, url, token string) *vertexai.Client {
	t.Helper()
	client, err := vertexai.NewClient(context.Background(), "p", "europe-west4", vertexai.WithREST(), option.WithEndpoint(url),
		option.WithHTTPClient(&http.Client{Transport: &oauth2.Transport{
			Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}), Base: closedAfter(t),
		}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestREST_genaiReadsItsErrors(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	for _, c := range []struct {
		name, key, model, text string
		code                   int
		status, message        string
	}{
		{"a bad key", "bad-key", "gemini-x", "hi", 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."},
		{"an unknown model", "good", "palm", "hi", 404, "NOT_FOUND", "models/palm is not found for API version v1beta, or is not supported for generateContent."},
		{"no quota", "good", "gemini-x", "now " + quotaMarker, 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"},
	} {
		_, err := restClient(t, url, genai.BackendGeminiAPI, c.key).Models.GenerateContent(context.Background(), c.model, genai.Text(c.text), nil)
		check := func(err error) {
			t.Helper()
			var e genai.APIError
			if !errors.As(err, &e) || e.Code != c.code || e.Status != c.status || !strings.HasPrefix(e.Message, c.message) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		check(err)
		for _, err := range restClient(t, url, genai.BackendGeminiAPI, c.key).Models.GenerateContentStream(context.Background(), c.model, genai.Text(c.text), nil) {
			check(err)
		}
	}
}

func TestREST_vertexaiReadsItsErrors(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	for _, c := range []struct {
		name, token, model, text string
		code                     int
	}{
		{"a bad token", "bad-token", "gemini-x", "hi", 401},
		{"an unknown model", "good", "palm", "hi", 404},
		{"no quota", "good", "gemini-x", quotaMarker, 429},
	} {
		it := vertexAIClient(t, url, c.token).GenerativeModel(c.model).GenerateContentStream(context.Background(), vertexai.Text(c.text))
		_, err := it.Next()
		var e *apierror.APIError
		if !errors.As(err, &e) || e.HTTPCode() != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// do sends one request as it is, and gives the status, the type and the body.
func do(t *testing.T, method, url, body string, headers ...string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Client{Transport: closedAfter(t)}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	p, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), string(p)
}

const plainRequest = `{"contents":[{"parts":[{"text":"hi"}]}]}`

func TestREST_refusesWhatGoogleRefuses(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	const (
		gemini = "/v1beta/models/gemini-x:generateContent"
		vertex = "/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent"
	)
	key, bearer := []string{"x-goog-api-key", "good"}, []string{"Authorization", "Bearer good"}
	for _, c := range []struct {
		name, method, path string
		headers            []string
		body               string
		code               int
		status, text       string
	}{
		{"no key", "POST", gemini, nil, plainRequest, 403, "PERMISSION_DENIED", "unregistered callers"},
		{"a bad key in the query", "POST", gemini + "?key=bad", nil, plainRequest, 400, "INVALID_ARGUMENT", "API_KEY_INVALID"},
		{"no token", "POST", vertex, nil, plainRequest, 401, "UNAUTHENTICATED", "missing required authentication credential"},
		{"a key where a token belongs", "POST", vertex, key, plainRequest, 401, "UNAUTHENTICATED", "missing required authentication credential"},
		{"a bad token", "POST", vertex, []string{"Authorization", "Bearer bad"}, plainRequest, 401, "UNAUTHENTICATED", "invalid authentication credentials"},
		{"not JSON", "POST", gemini, key, `{"contents":`, 400, "INVALID_ARGUMENT", "Invalid JSON payload received."},
		{"a list", "POST", gemini, key, `[]`, 400, "INVALID_ARGUMENT", "Invalid JSON payload received."},
		{"nothing", "POST", gemini, key, ``, 400, "INVALID_ARGUMENT", "Invalid JSON payload received."},
		{"no contents", "POST", gemini, key, `{}`, 400, "INVALID_ARGUMENT", "contents is not specified"},
		{"no parts", "POST", gemini, key, `{"contents":[{"role":"user"}]}`, 400, "INVALID_ARGUMENT", "contents.parts must not be empty"},
		{"a role of one's own", "POST", gemini, key, `{"contents":[{"role":"boss","parts":[{"text":"hi"}]}]}`, 400, "INVALID_ARGUMENT", "Please use a valid role: user, model."},
		{"a number for a text", "POST", vertex, bearer, `{"contents":[{"parts":[{"text":5}]}]}`, 400, "INVALID_ARGUMENT", "Invalid value at 'contents[0].parts[0].text'"},
		{"an unknown field", "POST", gemini, key, `{"contents":[{"parts":[{"text":"hi"}]}],"bogus_field":1}`, 400, "INVALID_ARGUMENT", `Unknown name \"bogus_field\": Cannot find field.`},
		{"an unknown field inside", "POST", gemini, key, `{"contents":[{"parts":[{"txt":"hi"}]}]}`, 400, "INVALID_ARGUMENT", `Unknown name \"txt\" at 'contents[0].parts[0]': Cannot find field.`},
		{"tokens below none", "POST", gemini, key, `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":-1}}`, 400, "INVALID_ARGUMENT", "must be positive"},
		{"too much", "POST", gemini, key, `{"contents":[{"parts":[{"text":"` + strings.Repeat("x", maxRESTBody) + `"}]}]}`, 400, "INVALID_ARGUMENT", "Request payload size exceeds the limit"},
		{"a model without quota", "POST", "/v1beta/models/gemini-x%5B%5Bsimulate%3A%20quota%5D%5D:generateContent", key, plainRequest, 429, "RESOURCE_EXHAUSTED", "quota"},
		{"an unknown publisher model", "POST", "/v1/projects/p/locations/l/publishers/google/models/palm:generateContent", bearer, plainRequest, 404, "NOT_FOUND", "Publisher Model `projects/p/locations/l/publishers/google/models/palm`"},
		{"an unknown method", "POST", "/v1beta/models/gemini-x:dance", key, plainRequest, 404, "NOT_FOUND", "dance"},
		{"an unknown path", "POST", "/v2/models/gemini-x:generateContent", key, plainRequest, 404, "NOT_FOUND", "nothing is served"},
		{"the root", "GET", "/", nil, "", 404, "NOT_FOUND", "nothing is served"},
		{"a POST to a model", "POST", "/v1beta/models/gemini-x", key, plainRequest, 404, "NOT_FOUND", "does not take POST"},
		{"an unknown model's page", "GET", "/v1beta/models/palm", key, "", 404, "NOT_FOUND", "models/palm is not found"},
	} {
		code, _, body := do(t, c.method, url+c.path, c.body, c.headers...)
		var e struct{ Error restError }
		if err := json.Unmarshal([]byte(body), &e); err != nil || code != c.code || e.Error.Code != c.code || e.Error.Status != c.status || !strings.Contains(body, c.text) {
			t.Errorf("%s: %d %s", c.name, code, body)
		}
	}
}

func TestREST_anErrorOfAStreamIsAnArray(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	const path = "/v1beta/models/palm:streamGenerateContent?key=k"
	if _, _, body := do(t, "POST", url+path, plainRequest); !strings.HasPrefix(body, "[") {
		t.Error(body)
	}
	if _, _, body := do(t, "POST", url+path+"&alt=sse", plainRequest); !strings.HasPrefix(body, "{") {
		t.Error(body)
	}
}

func TestREST_enumsAreNumbersWhereAskedFor(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	const path = "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-x:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint"
	code, kind, body := do(t, "POST", url+path, plainRequest, "Authorization", "Bearer good")
	var list []struct {
		Candidates []struct{ FinishReason any }
		Usage      struct{ TrafficType any } `json:"usageMetadata"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || code != 200 || !strings.HasPrefix(kind, "application/json") {
		t.Fatal(err, code, kind, body)
	}
	last := list[len(list)-1]
	if last.Candidates[0].FinishReason != 1.0 || last.Usage.TrafficType != 1.0 {
		t.Errorf("%+v", last)
	}
}

func TestREST_listsTheModelsThatAreConfigured(t *testing.T) {
	cfg := quickConfig()
	cfg.Models = []string{"gemini-a", "gemini-b"}
	url := startServer(t, cfg).URL()
	client := restClient(t, url, genai.BackendGeminiAPI, "good")
	var names []string
	for m, err := range client.Models.All(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, m.Name)
		if !strings.Contains(fmt.Sprint(m.SupportedActions), "bidiGenerateContent") {
			t.Errorf("%+v", m)
		}
	}
	if strings.Join(names, " ") != "models/gemini-a models/gemini-b" {
		t.Error(names)
	}
	if m, err := client.Models.Get(context.Background(), "gemini-b", nil); err != nil || m.Name != "models/gemini-b" {
		t.Error(m, err)
	}
	var e genai.APIError
	if _, err := client.Models.Get(context.Background(), "gemini-c", nil); !errors.As(err, &e) || e.Code != 404 {
		t.Error(err)
	}
}

// A reader that leaves in the middle must not leave a goroutine behind: TestMain looks.
func TestREST_theReaderLeavesInTheMiddle(t *testing.T) {
	url := startServer(t, quickConfig()).URL()
	body := `{"contents":[{"parts":[{"text":"` + strings.Repeat("word ", 200) + `"}]}]}`
	req, err := http.NewRequest("POST", url+"/v1beta/models/gemini-x:streamGenerateContent?alt=sse&key=k", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: closedAfter(t)}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "data: {") {
		t.Fatal(line, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseTextRequest(f *testing.F) {
	for _, s := range []string{plainRequest, `{}`, `[]`, `{"contents":[{"role":"model","parts":[{"text":"a"},{"inlineData":{"mimeType":"x","data":"AQI="}}]}],"system_instruction":{"parts":{"text":"b"}},"generationConfig":{"maxOutputTokens":"5"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, refused := parseTextRequest(body)
		if refused != nil {
			if refused.Code != 400 || refused.Message == "" {
				t.Errorf("%+v", refused)
			}
			return
		}
		c := restCall{model: "gemini-x", method: "generateContent"}
		a := newTextAnswer(&c, &r)
		if len(a.pieces) == 0 || len(a.pieces) != len(a.outputTo) {
			t.Errorf("%+v", a)
		}
		if _, err := json.Marshal(a.message(strings.Join(a.pieces, ""), len(a.pieces))); err != nil {
			t.Error(err)
		}
		for n := range 4 {
			if text := composeAnswer(&r); strings.Join(splitWords(text, n+1), "") != text {
				t.Errorf("%q", text)
			}
		}
	})
}
