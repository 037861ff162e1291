package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stonepot/stonepot"

// allowed is the direction of imports: main → routes → handlers → live ← live/gemini, live/simulator; static alone.
// What a package's tests import is their own affair.
var allowed = map[string]struct {
	own    []string // packages of this module
	banned []string // beginnings of other packages
}{
	"": {own: []string{"handlers", "heap", "live", "live/gemini", "live/simulator", "routes", "static"}},
	"/routes": {
		own: []string{"handlers", "live"}, banned: []string{viperPath, genaiPath, vertexPath},
	},
	"/handlers": {
		own: []string{"live", "live/frame", "live/wire"}, banned: []string{viperPath, genaiPath, vertexPath},
	},
	// heap must be initialised before anything that makes garbage: it waits for nothing but the runtime.
	"/heap": {banned: []string{"cloud.google.com", "github.com", "go", "crypto", "encoding", "net"}},
	"/live": {
		// live knows no Fiber, no viper, no HTTP and no WebSocket library: its ends are interfaces.
		own: []string{"live/frame"}, banned: []string{viperPath, genaiPath, vertexPath, fiberPath, "github.com/valyala/fasthttp", "github.com/fasthttp", "net/http"},
	},
	"/live/frame": {
		own: []string{"live/wire"}, banned: []string{viperPath, genaiPath, vertexPath, fiberPath, "net/http"},
	},
	"/live/frame/rfc6455": {},
	"/live/gemini": {
		own: []string{"live", "live/frame", "live/wire"}, banned: []string{viperPath, fiberPath},
	},
	"/live/simulator": {
		// It shares no codec with live/gemini, so that no mistake is made twice in the same way and stays hidden.
		banned: []string{viperPath, fiberPath},
	},
	"/live/wire":       {banned: []string{viperPath, genaiPath, vertexPath, fiberPath, "net/http"}},
	"/static":          {banned: []string{viperPath, genaiPath, vertexPath}},
	"/static/compress": {own: []string{"static"}, banned: []string{viperPath, genaiPath, vertexPath, fiberPath}},
}

const (
	viperPath  = "github.com/spf13/viper"
	fiberPath  = "github.com/gofiber"
	genaiPath  = "google.golang.org/genai"
	vertexPath = "cloud.google.com/go/vertexai"
)

func TestImports_goOneWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "/benchmarks") {
			continue // it stands outside and looks at everything
		}
		rule, known := allowed[name]
		if !known {
			t.Errorf("the package %s is not in the table of imports: say what it may import", p.ImportPath)
		}
		seen[name] = true
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module+"/")
			if isOwn && !slices.Contains(rule.own, own) {
				t.Errorf("%s must not import %s", p.ImportPath, imported)
			}
			for _, b := range rule.banned {
				if strings.HasPrefix(imported, b) {
					t.Errorf("%s must not import %s", p.ImportPath, imported)
				}
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("the table of imports speaks of %s%s, which is not there", module, name)
		}
	}
}
