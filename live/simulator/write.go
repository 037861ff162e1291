package simulator

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// object is a JSON object of a server message. Defaults are left out by whoever builds it, as the service does.
type object = map[string]any

// pretty frames a message as the service does: indented by two, with a newline at the end.
func pretty(m object) []byte {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil { // only strings, numbers and what came out of a JSON decoder go in
		panic(err)
	}
	return append(data, '\n')
}

const (
	audioHead = "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n          \"inlineData\": {\n" +
		"            \"mimeType\": \"audio/pcm;rate=24000\",\n            \"data\": \""
	audioTail = "\"\n          }\n        }\n      ],\n      \"role\": \"model\"\n    }\n  }\n}\n"
)

// audioMessage is a serverContent with nothing but audio. It is built by hand because it is most of what is sent.
func audioMessage(pcm []byte) []byte {
	m := make([]byte, 0, len(audioHead)+base64.StdEncoding.EncodedLen(len(pcm))+len(audioTail))
	m = append(m, audioHead...)
	m = base64.StdEncoding.AppendEncode(m, pcm)
	return append(m, audioTail...)
}

// audioPart is the same as a member of a message that holds more.
func audioPart(pcm []byte) object {
	return object{"parts": []object{{"inlineData": object{
		"mimeType": "audio/pcm;rate=24000",
		"data":     base64.StdEncoding.EncodeToString(pcm),
	}}}, "role": "model"}
}

// seconds writes a duration as the service does: "50s", "0.440s".
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + "s"
}

// usage counts tokens as the service bills them.
type usage struct {
	promptText, promptAudio, promptImage int64
	responseText, responseAudio          int64
}

// tokensPerSecond is the price of audio in the Live API, both ways.
const tokensPerSecond = 25

func audioTokens(d time.Duration) int64 {
	return int64((d*tokensPerSecond + time.Second - 1) / time.Second)
}

// wordTokens is what a text costs.
func wordTokens(s string) int64 { return int64(textTokens(s)) }

// metadata is usageMetadata in the spelling of a backend.
func (u usage) metadata(backend string) object {
	prompt, response := u.promptText+u.promptAudio+u.promptImage, u.responseText+u.responseAudio
	count, details := "responseTokenCount", "responseTokensDetails"
	if backend == backendVertex {
		count, details = "candidatesTokenCount", "candidatesTokensDetails"
	}
	m := object{}
	put := func(name string, n int64) {
		if n != 0 {
			m[name] = n
		}
	}
	put("promptTokenCount", prompt)
	put(count, response)
	put("totalTokenCount", prompt+response)
	if d := modalities(u.promptText, u.promptAudio, u.promptImage); len(d) > 0 {
		m["promptTokensDetails"] = d
	}
	if d := modalities(u.responseText, u.responseAudio, 0); len(d) > 0 {
		m[details] = d
	}
	if backend == backendVertex {
		m["trafficType"] = "ON_DEMAND"
	}
	return m
}

func modalities(text, audio, image int64) (list []object) {
	for _, c := range []struct {
		name string
		n    int64
	}{{"TEXT", text}, {"AUDIO", audio}, {"IMAGE", image}} {
		if c.n != 0 {
			list = append(list, object{"modality": c.name, "tokenCount": c.n})
		}
	}
	return list
}
