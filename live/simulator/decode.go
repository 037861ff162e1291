package simulator

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	mimepkg "mime"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// refusal is a close that a client has earned.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return fmt.Sprintf("close %d %q", r.code, r.reason) }

func invalid(format string, args ...any) *refusal {
	return &refusal{1007, fmt.Sprintf(format, args...)}
}

// clientMessage is what a client may send: exactly one member is set. The structs below have every field that the
// service knows; those that change nothing here are of type any.
type clientMessage struct {
	Setup         *setup         `json:"setup"`
	ClientContent *clientContent `json:"clientContent"`
	RealtimeInput *realtimeInput `json:"realtimeInput"`
	ToolResponse  *toolResponse  `json:"toolResponse"`
	ContextUpdate *contextUpdate `json:"contextUpdate"`
}

type clientContent struct {
	Turns        []content `json:"turns"`
	TurnComplete bool      `json:"turnComplete"`
}

type content struct {
	Role  string `json:"role"`
	Parts []part `json:"parts"`
}

func (c content) text() string {
	var b strings.Builder
	for _, p := range c.Parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

type part struct {
	Text                string `json:"text"`
	Thought             bool   `json:"thought"`
	ThoughtSignature    any    `json:"thoughtSignature"`
	InlineData          *blob  `json:"inlineData"`
	FileData            any    `json:"fileData"`
	FunctionCall        any    `json:"functionCall"`
	FunctionResponse    any    `json:"functionResponse"`
	ExecutableCode      any    `json:"executableCode"`
	CodeExecutionResult any    `json:"codeExecutionResult"`
	VideoMetadata       any    `json:"videoMetadata"`
	MediaResolution     any    `json:"mediaResolution"`
}

type blob struct {
	MIMEType    string `json:"mimeType"`
	Data        []byte `json:"data"`
	DisplayName string `json:"displayName"`
}

type realtimeInput struct {
	Audio          *blob     `json:"audio"`
	Video          *blob     `json:"video"`
	Text           *string   `json:"text"`
	AudioStreamEnd bool      `json:"audioStreamEnd"`
	ActivityStart  *struct{} `json:"activityStart"`
	ActivityEnd    *struct{} `json:"activityEnd"`
	MediaChunks    []blob    `json:"mediaChunks"`
}

type toolResponse struct {
	FunctionResponses []functionResponse `json:"functionResponses"`
}

type functionResponse struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Response     map[string]any `json:"response"`
	Scheduling   scheduling     `json:"scheduling"`
	WillContinue bool           `json:"willContinue"`
	Parts        any            `json:"parts"`
}

type contextUpdate struct {
	SystemInstruction *content `json:"systemInstruction"`
	Tools             *struct {
		Tools []tool `json:"tools"`
	} `json:"tools"`
}

// decode reads one client message as strictly as the service does: names in camelCase or snake_case, nothing that
// is not known, exactly one member. It keeps nothing of data.
func decode(data []byte) (*clientMessage, *refusal) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil || d.More() {
		return nil, invalid("Invalid JSON payload received. Parse error.")
	}
	var m clientMessage
	if err := fill(reflect.ValueOf(&m).Elem(), tree, ""); err != nil {
		return nil, err
	}
	if len(tree) != 1 {
		return nil, invalid("Request contains an invalid argument.")
	}
	return &m, nil
}

// plainAudio reads the one message that comes fifty times a second, in the spelling of the SDKs and of everyone who
// writes compact JSON, without a JSON decoder: load tests run a thousand sessions against this server. The audio is
// appended to dst; rate is in Hz.
func plainAudio(data, dst []byte) (pcm []byte, rate int, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"realtimeInput":{"audio":{`))
	if !ok {
		return dst, 0, false
	}
	var encoded, mime []byte
	for range 2 {
		target := &mime
		name := []byte(`"mimeType":"`)
		if bytes.HasPrefix(rest, []byte(`"data":"`)) {
			target, name = &encoded, []byte(`"data":"`)
		}
		if rest, ok = bytes.CutPrefix(rest, name); !ok {
			return dst, 0, false
		}
		if *target, rest, ok = bytes.Cut(rest, []byte(`"`)); !ok || bytes.IndexByte(*target, '\\') >= 0 {
			return dst, 0, false
		}
		rest = bytes.TrimPrefix(rest, []byte(","))
	}
	if string(bytes.TrimRight(rest, "\r\n")) != "}}}" || encoded == nil || string(mime) != "audio/pcm;rate=16000" {
		return dst, 0, false
	}
	pcm, err := base64.StdEncoding.AppendDecode(dst, encoded)
	if err != nil {
		return dst, 0, false
	}
	return pcm, 16000, true
}

// pcmRate reads the rate of an audio blob in Hz; without one it is 16000.
func pcmRate(mime string) (rate int, ok bool) {
	kind, params, err := mimepkg.ParseMediaType(mime)
	if err != nil || kind != "audio/pcm" {
		return 0, false
	}
	if params["rate"] == "" {
		return 16000, true
	}
	rate, err = strconv.Atoi(params["rate"])
	return rate, err == nil && rate >= 8000 && rate <= 96000
}

// maxPath bounds how deep a message goes, by the length of the path to it: only schemas can be deep.
const maxPath = 8 << 10

// fill puts a JSON value into v and refuses what v has no place for. path is where the value stands, in the
// spelling of the service's own refusals.
func fill(v reflect.Value, tree any, path string) *refusal {
	if tree == nil { // null is as good as absent
		return nil
	}
	if len(path) > maxPath {
		return invalid(reasonArgument)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), tree, path)
	}
	wrong := func() *refusal { return invalid("Invalid value at '%s'", strings.TrimPrefix(path, ".")) }
	switch v.Kind() {
	case reflect.Interface:
		v.Set(reflect.ValueOf(tree))
	case reflect.Struct:
		members, ok := tree.(map[string]any)
		if !ok {
			return wrong()
		}
		return fillStruct(v, members, path)
	case reflect.Map:
		members, ok := tree.(map[string]any)
		if !ok {
			return wrong()
		}
		return fillMap(v, members, path)
	case reflect.Slice:
		if text, ok := tree.(string); ok && v.Type().Elem().Kind() == reflect.Uint8 {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return invalid("Invalid value at '%s' (TYPE_BYTES), Base64 decoding failed", strings.TrimPrefix(path, "."))
			}
			v.SetBytes(raw)
			return nil
		}
		list, ok := tree.([]any)
		if !ok {
			list = []any{tree} // the service takes a single value where a list belongs
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			if err := fill(v.Index(i), e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		raw, err := json.Marshal(tree)
		if s, ok := tree.(string); ok && v.Kind() != reflect.String { // int64 and friends may be strings
			raw = []byte(s)
		}
		if err != nil || json.Unmarshal(raw, v.Addr().Interface()) != nil {
			return wrong()
		}
		if e, ok := v.Interface().(enum); ok && !e.known() {
			return invalid("Invalid value at '%s' (TYPE_ENUM), %q", strings.TrimPrefix(path, "."), v.String())
		}
	}
	return nil
}

func fillMap(v reflect.Value, members map[string]any, path string) *refusal {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(members)))
	for i, name := range slices.Sorted(maps.Keys(members)) {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := fill(value, members[name], fmt.Sprintf("%s[%d].value", path, i)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
	return nil
}

func fillStruct(v reflect.Value, members map[string]any, path string) *refusal {
	for name, value := range members {
		camel := camelCase(name)
		at := -1
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == camel {
				at = i
			}
		}
		if at < 0 {
			if path == "" {
				return invalid("Invalid JSON payload received. Unknown name %q: Cannot find field.", name)
			}
			return invalid("Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, strings.TrimPrefix(path, "."))
		}
		if err := fill(v.Field(at), value, path+"."+snakeCase(camel)); err != nil {
			return err
		}
	}
	return nil
}

func camelCase(s string) string {
	if !strings.Contains(s, "_") {
		return s
	}
	words := strings.Split(s, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

func snakeCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
