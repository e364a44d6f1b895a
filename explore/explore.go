// Package explore serves a web page on this machine, on which decoders are designed and compared.
// The page itself cannot price anything: it asks this server for every number and figure. The
// server prices through the flags of the command line, so that the page and the command that it
// names cannot differ.
//
// The server answers this machine only. Its address contains a token that other pages cannot
// know, requests that name another host are refused, and an address never makes it read a file.
package explore

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/study"
)

//go:embed page
var files embed.FS

// Option is one of the values that a control of the page offers.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// Control is a setting of the deployment or the load: a flag of the command line.
type Control struct {
	Group   string   `json:"group"` // the group of controls on the page: load, under, several, drafts, settings
	Flag    string   `json:"flag"`
	Label   string   `json:"label"`
	Default string   `json:"default"` // value of the flag where it is not given
	Help    string   `json:"help"`
	Options []Option `json:"options,omitempty"`
}

// Choices are what the page lets one choose from.
type Choices struct {
	Presets  []Option  `json:"presets"`
	Families []Option  `json:"families"`
	Devices  []Option  `json:"devices"`
	Controls []Control `json:"controls"`
	Start    string    `json:"start"` // address of the page when it is opened without one
	Version  string    `json:"version"`
}

// Price compiles models for the deployment and load that the command line's flags describe; flags
// holds them by name, without dashes. It returns the warnings that the command line would print.
type Price func(models []*arch.Model, flags map[string]string) (s *study.Setup, warnings []string, err error)

// Server answers the requests of the page.
type Server struct {
	Token   string
	Choices Choices
	Price   Price
	loads   *simulations
}

// NewServer makes a server with a new token in the address of its page.
func NewServer(c Choices, p Price) (*Server, error) {
	token, err := newToken()
	if err != nil {
		return nil, err
	}
	return &Server{Token: token, Choices: c, Price: p, loads: newSimulations()}, nil
}

// newToken makes a random token that cannot be guessed.
func newToken() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("no random token for the page's address: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// maxBody is the largest request in bytes: a model file, or the beginning of a GGUF file that
// holds its header.
const maxBody = 48 << 20

// pageFiles lists the files of the page with their types; {$} stands for the page itself.
var pageFiles = map[string]string{"{$}": "text/html", "style.css": "text/css", "app.js": "text/javascript", "core.js": "text/javascript",
	"controls.js": "text/javascript", "designs.js": "text/javascript", "figures.js": "text/javascript", "load.js": "text/javascript"}

// Handler serves the page at /TOKEN/.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	at := "/" + s.Token
	for path, kind := range pageFiles {
		mux.HandleFunc("GET "+at+"/"+path, func(w http.ResponseWriter, r *http.Request) {
			name := path
			if name == "{$}" {
				name = "index.html"
			}
			b, err := files.ReadFile("page/" + name)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			// The page may have been closed; then nobody can be told.
			_, _ = w.Write(b)
		})
	}
	mux.HandleFunc("GET "+at+"/api/choices", func(w http.ResponseWriter, r *http.Request) { reply(w, s.Choices, nil) })
	mux.HandleFunc("GET "+at+"/api/view", func(w http.ResponseWriter, r *http.Request) {
		v, err := s.view(r.URL.Query())
		reply(w, v, err)
	})
	mux.HandleFunc("GET "+at+"/api/figure/{kind}", s.figure)
	mux.HandleFunc("GET "+at+"/api/load", s.load)
	mux.HandleFunc("GET "+at+"/api/download/{what}", s.download)
	mux.HandleFunc("POST "+at+"/api/edit", func(w http.ResponseWriter, r *http.Request) {
		var e Edit
		if err := read(w, r, &e); err != nil {
			reply(w, nil, err)
			return
		}
		design, err := e.Apply()
		reply(w, map[string]string{"design": design}, err)
	})
	mux.HandleFunc("POST "+at+"/api/import", func(w http.ResponseWriter, r *http.Request) {
		b, err := body(w, r)
		if err != nil {
			reply(w, nil, err)
			return
		}
		design, err := Import(r.URL.Query().Get("name"), b)
		reply(w, map[string]string{"design": design}, err)
	})
	return s.guard(mux)
}

// guard refuses requests that do not come from the page.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if host != "127.0.0.1" && host != "localhost" && host != "[::1]" && host != "::1" {
			http.Error(w, "this page answers to 127.0.0.1 only", http.StatusForbidden)
			return
		}
		if o := r.Header.Get("Origin"); o != "" {
			if u, err := url.Parse(o); err != nil || u.Host != r.Host {
				http.Error(w, "another page may not ask this one", http.StatusForbidden)
				return
			}
		}
		token, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) != 1 {
			http.Error(w, "the address lacks the token that ridgeline explore printed: open that address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// read reads the JSON in a request.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	b, err := body(w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("the page sent what is not JSON: %w", err)
	}
	return nil
}

func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("a file of more than %d MB is not a model", maxBody>>20)
	}
	return b, nil
}

// reply answers with a value, or with an error in the sentence that the command line would print.
func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		m := map[string]any{"error": sentence(err)}
		var d *DesignError
		if errors.As(err, &d) {
			m["design"] = d.Design
		}
		v = m
	}
	// The page may have been closed; then nobody can be told.
	_ = json.NewEncoder(w).Encode(v)
}

// sentence puts an error on one line.
func sentence(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
