package simulator

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const jsFolder = "jsconformance"

// runNode runs node in the folder of the JavaScript SDK, against a simulator. Neither node nor the SDK may be missing: a conformance test that is skipped proves nothing.
func runNode(t *testing.T, url string, args ...string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(jsFolder, "node_modules", "@google", "genai")); err != nil {
		t.Fatalf("Google's JavaScript SDK is not installed (%v). Run at the top of the repository:\n\tnpm ci --prefix live/simulator/jsconformance", err)
	}
	// What a child process reads is unknown to go test's cache: a changed script must not pass for tested.
	scripts, err := filepath.Glob(filepath.Join(jsFolder, "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in %s: %v", jsFolder, err)
	}
	for _, script := range append(scripts, filepath.Join(jsFolder, "package-lock.json")) {
		if _, err = os.ReadFile(script); err != nil {
			t.Fatal(err)
		}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("the JavaScript SDK's tests need Node.js 20 or newer: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Dir = jsFolder
	cmd.Env = append(os.Environ(), "STONEPOT_SIMULATOR_URL="+url)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, said.Bytes())
	}
}

func TestConformance_javaScript(t *testing.T) {
	t.Parallel()
	s := startServer(t, leisurely())
	runNode(t, s.URL(), "--test", "conformance.test.mjs")
	// That node is content proves nothing if it never came here.
	if st := s.Stats(); st.Connections < 12 || st.Interruptions < 4 || st.ClosesByReason["1011 Internal error encountered."] < 2 {
		t.Errorf("the simulator saw too little: %+v", st)
	}
}
