package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const subprotocol = "stonepot.v1"

// api asks the server's REST API. It is safe for concurrent use.
type api struct {
	target *target
	header http.Header
	client *http.Client
}

func newAPI(o *options) *api {
	d := newDialer(o)
	return &api{
		target: &o.target, header: o.header,
		client: &http.Client{
			Transport: &http.Transport{
				DialContext: d.net.DialContext, TLSClientConfig: d.tls,
				MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
				Proxy: nil, // the server itself is measured
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// admission is where a session may open its WebSocket, and with what.
type admission struct {
	path      string
	protocols []string
}

// bare is an admission without having asked.
func (a *api) bare() admission {
	return admission{path: a.target.voicePath(), protocols: []string{subprotocol}}
}

// admit asks POST /api/session/create. A server that has no such page is tried without it.
func (a *api) admit(ctx context.Context) (admission, error) {
	body := struct {
		Backend string `json:"backend,omitempty"`
	}{a.target.backend}
	data, err := json.Marshal(body)
	if err != nil {
		return admission{}, err
	}
	res, err := a.do(ctx, http.MethodPost, "/api/session/create", data)
	if err != nil {
		return admission{}, failed("create", err)
	}
	if res.StatusCode == http.StatusNotFound {
		_ = res.Body.Close()
		return a.bare(), nil
	}
	if res.StatusCode != http.StatusOK {
		return admission{}, refused("create", res)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var answer struct{ URL, Protocol, Ticket string }
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return admission{}, &failure{"create: the answer is no JSON", err}
	}
	return a.admission(answer.URL, answer.Protocol, answer.Ticket)
}

// admission takes from the answer what matters. The server may know itself by another name; the connection goes to where
// the person has sent it, and to the path that the person has given, if there is one.
func (a *api) admission(address, protocol, ticket string) (admission, error) {
	ad := a.bare()
	if address != "" && a.target.path == "" {
		u, err := url.Parse(address)
		if err != nil || u.Path == "" {
			return ad, &failure{"create: the answer's URL cannot be read", err}
		}
		ad.path = u.RequestURI()
	}
	if protocol != "" {
		ad.protocols[0] = protocol
	}
	if ticket != "" {
		ad.protocols = append(ad.protocols, "stonepot.ticket."+ticket)
	}
	return ad, nil
}

// status is what GET /api/status tells; the zero value where there is none.
type status struct {
	Version     string
	MaxSessions int
}

func (a *api) status(ctx context.Context) (s status, err error) {
	res, err := a.do(ctx, http.MethodGet, "/api/status", nil)
	if err != nil {
		return s, failed("status", err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if res.StatusCode != http.StatusOK {
		return s, fmt.Errorf("GET /api/status answers %d", res.StatusCode)
	}
	return s, json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&s)
}

func (a *api) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.target.url(path), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = a.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return a.client.Do(req)
}
