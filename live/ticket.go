package live

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// ticket is what another instance needs to go on with a conversation. It travels sealed, as the resumeTicket of
// docs/protocol.md, and is printed nowhere: it holds what the person's client said and a handle to what was said.
type ticket struct {
	SessionID  string      `json:"i"`
	Backend    string      `json:"b"`
	UserID     string      `json:"u,omitzero"`
	Instance   string      `json:"n,omitzero"`  // the holder of the session when the ticket was made
	Generation int64       `json:"g,omitzero"`  // attaches so far
	Recounts   int64       `json:"z,omitzero"`  // how often counting has begun anew
	Handle     string      `json:"-"`           // the newest one of the upstream; empty: there was none yet
	Covered    int64       `json:"c,omitzero"`  // client messages that the handle includes
	Ahead      []int64     `json:"d,omitzero"`  // of the messages behind those, the commands that it includes as well
	Heard      int64       `json:"h,omitzero"`  // and the last whose audio it includes; 0: none
	Activity   bool        `json:"p,omitzero"`  // a push-to-talk activity is open behind the covered messages
	Released   bool        `json:"r,omitzero"`  // the holder has closed its upstream: nobody has to be asked
	Answering  bool        `json:"a,omitzero"`  // an answer was being spoken
	Config     StartConfig `json:"k"`           // as the client gave it, with later updates merged in
	Started    time.Time   `json:"-"`           // of the session, for its limits; whole milliseconds survive
	Turns      int64       `json:"t,omitzero"`  // so far
	Usage      Usage       `json:"us,omitzero"` // so far
	Expires    time.Time   `json:"-"`           // whole milliseconds survive
}

// Format prints no more than what it is, whatever the verb.
func (ticket) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "a resume ticket") }

// LogValue prints no more either, for slog.
func (ticket) LogValue() slog.Value { return slog.StringValue("a resume ticket") }

// Why a ticket is not taken. The client is told ReasonUnauthorized and nothing more: who forges must not learn what was right.
var (
	errTicketExpired = errors.New("the resume ticket has expired")
	// errTicketForged is for whatever was not sealed with one of the keys: forged, cut short, or of a deployment with other keys.
	errTicketForged = errors.New("the resume ticket was not sealed with a key of this deployment")
	// errTicketForeign is for what was sealed with one of the keys and cannot be read: another version of the program made it.
	errTicketForeign = errors.New("the resume ticket is of another version of this program")
)

// errTicketTooLarge says that a conversation can have no ticket: its client configured it with more than one may hold.
var errTicketTooLarge = errors.New("the session's configuration is too large for a resume ticket")

const (
	// maxTicketText bounds a sealed ticket, in characters. It has to fit into start_session, and into what a page keeps.
	maxTicketText = 48 << 10
	// maxTicketBody bounds its content once inflated, in bytes.
	maxTicketBody = 256 << 10

	ticketVersion = 1   // the first byte of a sealed ticket
	deflateFrom   = 512 // bytes; shorter content is not worth the work
)

// sealer makes tickets that only the holders of a key can read or make. It is safe for concurrent use.
//
// A sealed ticket is base64url without padding of: the version; a random nonce; and AES-256-GCM of a byte that tells whether the
// body is deflated, the handle behind its length, and the body. The handle is kept out of the compression, so that the length
// of a ticket tells nothing about it to a client, which chooses most of the rest. Random nonces are safe for 2^32 tickets
// a key (NIST SP 800-38D, 8.3): at 30 a second, the work of some thousand sessions, that is four years.
type sealer struct {
	keys []cipher.AEAD // the first seals, all open
}

// newSealer takes keys as STONEPOT_RESUME_KEYS holds them. Without one it makes a random key: tickets are then good for this
// process only. The error is checkResumeKeys'.
func newSealer(keys []string) (*sealer, error) {
	secrets, err := checkResumeKeys(keys)
	if err != nil {
		return nil, err
	}
	if len(secrets) == 0 {
		random := make([]byte, minResumeKey)
		_, _ = rand.Read(random) // never fails
		secrets = [][]byte{random}
	}
	s := &sealer{}
	for _, secret := range secrets {
		// A key is not used as it is: HKDF takes any length, and keeps this use of it apart from later ones.
		key, err := hkdf.Key(sha256.New, secret, nil, "stonepot resume ticket", 32)
		if err != nil {
			return nil, fmt.Errorf("derive the key for resume tickets: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("make the cipher for resume tickets: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("make the cipher for resume tickets: %w", err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

var ticketEncoding = base64.RawURLEncoding.Strict()

// seal makes the text of a ticket. The error is errTicketTooLarge, or tells of a tool that is no JSON.
func (s *sealer) seal(t ticket) (string, error) {
	plain, err := t.pack()
	if err != nil {
		return "", err
	}
	version := []byte{ticketVersion}
	sealed := s.keys[0].Seal(version, nil, plain, version)
	if ticketEncoding.EncodedLen(len(sealed)) > maxTicketText {
		return "", errTicketTooLarge
	}
	return ticketEncoding.EncodeToString(sealed), nil
}

// open reads what seal has made, with any of the keys. The error is errTicketExpired, errTicketForged or errTicketForeign.
func (s *sealer) open(text string, now time.Time) (ticket, error) {
	if len(text) > maxTicketText {
		return ticket{}, errTicketForged
	}
	sealed, err := ticketEncoding.DecodeString(text)
	// The decoder skips line breaks; a ticket has one spelling only.
	if err != nil || len(sealed) == 0 || ticketEncoding.EncodedLen(len(sealed)) != len(text) {
		return ticket{}, errTicketForged
	}
	for _, key := range s.keys {
		plain, err := key.Open(nil, nil, sealed[1:], sealed[:1])
		if err != nil {
			continue
		}
		if sealed[0] != ticketVersion {
			return ticket{}, errTicketForeign
		}
		t, err := unpackTicket(plain)
		if err == nil && !now.Before(t.Expires) {
			return ticket{}, errTicketExpired
		}
		return t, err
	}
	return ticket{}, errTicketForged
}

// ticketBody is a ticket as JSON: times are Unix milliseconds.
type ticketBody struct {
	ticket
	Started int64 `json:"s"`
	Expires int64 `json:"x"`
}

// The first byte of a ticket's content.
const (
	bodyPlain byte = iota
	bodyDeflated
)

// deflaters are kept because a new one takes more than half a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // fails on an unknown level only
	return w
}}

func (t ticket) pack() ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(ticketBody{t, t.Started.UnixMilli(), t.Expires.UnixMilli()}); err != nil {
		return nil, fmt.Errorf("encode a resume ticket: %w", err) // a tool that is no JSON; it came out of a JSON decoder
	}
	if body.Len()+len(t.Handle) > maxTicketBody {
		return nil, errTicketTooLarge
	}
	packing, content := bodyPlain, body.Bytes()
	if len(content) >= deflateFrom {
		if small := deflated(content); len(small) < len(content) {
			packing, content = bodyDeflated, small
		}
	}
	plain := append(make([]byte, 0, len(content)+len(t.Handle)+8), packing)
	plain = binary.AppendUvarint(plain, uint64(len(t.Handle)))
	plain = append(plain, t.Handle...)
	return append(plain, content...), nil
}

// ticketRoom is kept free for what a ticket comes to hold besides the configuration, in bytes.
const ticketRoom = 8 << 10

// fitsTicket reports whether a session that is configured like this can have a ticket all its life.
func (c StartConfig) fitsTicket() bool {
	plain, err := ticket{Config: c}.pack()
	return err == nil && ticketEncoding.EncodedLen(len(plain)+ticketRoom) <= maxTicketText
}

func deflated(content []byte) []byte {
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(content) // into memory, which cannot fail
	_ = w.Close()
	return out.Bytes()
}

// unpackTicket undoes pack. It takes any bytes; the error is errTicketForeign.
func unpackTicket(plain []byte) (ticket, error) {
	if len(plain) == 0 || plain[0] > bodyDeflated {
		return ticket{}, errTicketForeign
	}
	n, size := binary.Uvarint(plain[1:])
	rest := plain[1+max(size, 0):]
	if size <= 0 || n > uint64(len(rest)) {
		return ticket{}, errTicketForeign
	}
	handle, content := string(rest[:n]), rest[n:]
	if plain[0] == bodyDeflated {
		inflated, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), maxTicketBody+1))
		if err != nil || len(inflated) > maxTicketBody {
			return ticket{}, errTicketForeign
		}
		content = inflated
	}
	var body ticketBody
	if err := json.Unmarshal(content, &body); err != nil {
		return ticket{}, errTicketForeign
	}
	t := body.ticket
	t.Handle, t.Started, t.Expires = handle, time.UnixMilli(body.Started), time.UnixMilli(body.Expires)
	return t, nil
}

const (
	minResumeKey  = 32 // bytes
	maxResumeKeys = 8  // each one is tried on every ticket that is not the first one's
	// Random bytes repeat little: of 32, less than half being different is as likely as finding the key.
	minDifferentBytes = 16
)

// checkResumeKeys reads keys as STONEPOT_RESUME_KEYS holds them. Only random bytes are taken, in base64 (either alphabet, padded or
// not) or hex: a pass phrase could be guessed from a single ticket, at leisure. The error names the variable and no value.
func checkResumeKeys(keys []string) (secrets [][]byte, err error) {
	if len(keys) > maxResumeKeys {
		return nil, fmt.Errorf("STONEPOT_RESUME_KEYS must hold at most %d keys, it holds %d", maxResumeKeys, len(keys))
	}
	for i, key := range keys {
		secret, fault := resumeKey(key)
		if fault != "" {
			err = errors.Join(err, fmt.Errorf("STONEPOT_RESUME_KEYS must hold keys of at least %d random bytes in base64 or hex, "+
				"and the key number %d %s: `openssl rand -base64 32` makes one", minResumeKey, i+1, fault))
		}
		secrets = append(secrets, secret)
	}
	return secrets, err
}

// resumeKey reads one key; fault says what is wrong with it, and is empty where nothing is.
func resumeKey(key string) (secret []byte, fault string) {
	const hexDigits = "0123456789abcdefABCDEF"
	var err error
	if strings.Trim(key, hexDigits) == "" {
		secret, err = hex.DecodeString(key)
	} else {
		alphabet := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(key, "="))
		secret, err = base64.RawStdEncoding.DecodeString(alphabet)
		// A long word is base64 too. Random base64 has letters of both cases, but for one key in a thousand million.
		if err == nil && (strings.ToLower(key) == key || strings.ToUpper(key) == key) {
			return nil, "looks like words"
		}
	}
	switch {
	case err != nil:
		return nil, "is neither"
	case len(secret) < minResumeKey:
		return nil, fmt.Sprintf("has only %d", len(secret))
	case differentBytes(secret) < minDifferentBytes:
		return nil, "is not random"
	}
	return secret, ""
}

func differentBytes(b []byte) (n int) {
	var seen [256]bool
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}
