package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/explore"
)

// explorer is a running page and how to ask it.
type explorer struct {
	*testing.T
	*explore.Server
	at *httptest.Server
}

func newExplorer(t *testing.T) *explorer {
	t.Helper()
	s, err := exploreServer(url.Values{"m": {"phi4-mini"}}, "test", "a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	e := &explorer{t, s, httptest.NewServer(s.Handler())}
	t.Cleanup(e.at.Close)
	return e
}

func (e *explorer) get(path string) (int, string) {
	e.Helper()
	r, err := http.Get(e.at.URL + "/" + e.Token + "/" + path)
	if err != nil {
		e.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		e.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func (e *explorer) view(q url.Values) explore.View {
	e.Helper()
	code, body := e.get("api/view?" + q.Encode())
	var v explore.View
	if err := json.Unmarshal([]byte(body), &v); err != nil || code != 200 {
		e.Fatalf("%v: %d %s", q, code, body)
	}
	return v
}

func (e *explorer) post(path string, what any) (int, map[string]string) {
	e.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		e.Fatal(err)
	}
	r, err := http.Post(e.at.URL+"/"+e.Token+"/"+path, "application/json", bytes.NewReader(b))
	if err != nil {
		e.Fatal(err)
	}
	defer r.Body.Close()
	out := map[string]string{}
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		e.Fatal(err)
	}
	return r.StatusCode, out
}

// drop drops a file on the page.
func (e *explorer) drop(name string, data []byte) (int, map[string]string) {
	e.Helper()
	r, err := http.Post(e.at.URL+"/"+e.Token+"/api/import?name="+url.QueryEscape(name), "application/octet-stream", bytes.NewReader(data))
	if err != nil {
		e.Fatal(err)
	}
	defer r.Body.Close()
	out := map[string]string{}
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		e.Fatal(err)
	}
	return r.StatusCode, out
}

// The numbers of a page are those that its command prints, to the last digit, and a figure
// is the file that its command writes.
func TestExplorerIsTheCommandLine(t *testing.T) {
	e := newExplorer(t)
	dir := t.TempDir()
	for _, q := range []string{
		"m=phi4-mini&m=phi4-mini-flash&batch=16&on=h200",
		"m=sambay(d=16,gmu_ratio=0.25)&m=transformer%2B%2B(d=16)&batch=max&prompt=32Ki&generate=1k",
		"m=llama-3.1-8b&on=a100-80gb,h200,l4&batch=64&weights=fp8&engine=trtllm",
		"m=phi4-mini&m=phi4-mini-flash&fidelity=roofline&kv-read=packed_unless_windowed&diff-kernel=four_pass&prefill=full&memory-fraction=0.9",
		"m=phi4-mini-flash&m=samba-yoco-3.8b&gmu-ratio=1&batch=16&tp=2",
		"m=phi4-mini&m=phi4-mini-flash&on=h200,l4&batch=4&price=h200=3.5,l4=0.8&prompt=500&generate=200&serve=clients=8,spread=normal:0.3,requests=60&slo=tpot=40ms",
		"m=llama-3.1-8b&m=llama-3.1-70b&on=h100-sxm&batch=16&tp=2&pp=2&price=3",
		"m=phi4-mini&m=phi4-mini-flash&on=h200&batch=16&prefix-share=0.5&draft=ngram&acceptance=0.5&draft-tokens=4&price=3&prompt=300&generate=50&serve=clients=4,requests=20",
		"m=llama-3.1-70b&draft=llama-3.1-8b&acceptance=0.7&on=h200&tp=4&batch=max&serve=clients=2,requests=10&prompt=300&generate=50",
		"m=mixtral-8x7b&on=h200&batch=64&pp=2&dp=2&ep=2&microbatches=4&skew=1.5&prefix-share=0.75",
		"m=phi4-mini-flash&price=2&serve=rate=0.5,requests=20,engine=sglang&prompt=300&generate=50",
	} {
		values, err := url.ParseQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		v := e.view(values)
		var out, errs bytes.Buffer
		args := append(shellWords(v.Command)[1:], "--format", "json")
		if code := run(context.Background(), args, &out, &errs); code != 0 {
			t.Fatalf("%s: %s", v.Command, errs.String())
		}
		compare := v.Compare
		figures := map[string]string{} // by the command that draws each
		for _, f := range v.Figures {
			code, svg := e.get("api/figure/" + f.Kind + "?" + values.Encode() + "&width=600&theme=dark")
			if code != 200 {
				t.Fatalf("%s: %d %s", f.Command, code, svg)
			}
			figures[f.Command] = svg
		}
		if v.Load != nil {
			runs, load := e.load(values.Encode() + "&width=600&theme=dark")
			if runs < 2 || len(load.Rows) != len(v.Rows) || len(load.Notes) == 0 {
				t.Errorf("%s: %d runs simulated, %d rows", v.Load.Command, runs, len(load.Rows))
			}
			compare, figures[v.Load.Command] = load.Compare, load.SVG
			if runs, again := e.load(values.Encode() + "&width=900&theme=light"); runs != 0 || len(again.Rows) != len(load.Rows) || again.SVG == load.SVG {
				t.Errorf("%s: %d runs simulated again for another width", v.Load.Command, runs)
			}
		}
		got, err := json.Marshal(compare)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(decoded(t, out.Bytes()), decoded(t, got)); d != "" {
			t.Errorf("%s: the page differs from its command (-command +page):\n%s", v.Command, d)
		}
		for command, svg := range figures {
			words := shellWords(command)[1:]
			file := filepath.Join(dir, words[len(words)-1])
			words[len(words)-1] = file
			errs.Reset()
			if code := run(context.Background(), append(words, "--width", "6.25in", "--theme", "dark"), &out, &errs); code != 0 {
				t.Fatalf("%s: %s", command, errs.String())
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if want := string(b); want[strings.Index(want, "<svg"):] != svg {
				t.Errorf("%s: the page shows another figure", command)
			}
		}
	}
}

// load simulates an address's load: how many runs that took, and what they came to.
func (e *explorer) load(query string) (runs int, out explore.UnderLoad) {
	e.Helper()
	code, body := e.get("api/load?" + query)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	var last struct {
		Result *explore.UnderLoad
		Error  string
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || code != 200 || last.Result == nil {
		e.Fatalf("%s: %d %s", query, code, lines[len(lines)-1])
	}
	for i, line := range lines[:len(lines)-1] {
		var at struct{ Done, Total int }
		if err := json.Unmarshal([]byte(line), &at); err != nil || at.Done != i || at.Total != len(lines)-2 {
			e.Errorf("%s: line %d of %d says %s", query, i+1, len(lines)-1, line)
		}
	}
	return max(len(lines)-2, 0), *last.Result
}

// Who leaves the page ends its simulation: the next one can run.
func TestExplorerStopsSimulating(t *testing.T) {
	e := newExplorer(t)
	ctx, leave := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", e.at.URL+"/"+e.Token+"/api/load?m=phi4-mini&serve=clients=65536,requests=1000000&width=600&theme=dark", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil {
		_, err = bufio.NewReader(resp.Body).ReadString('\n') // it has begun
		defer resp.Body.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	leave()
	done := make(chan bool)
	go func() {
		e.load("m=phi4-mini&serve=clients=1,requests=2&prompt=10&generate=2&width=600&theme=dark")
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("a simulation that nobody waits for keeps others from running")
	}
}

func decoded(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// shellWords splits a command as a shell does, with single quotes alone.
func shellWords(s string) (out []string) {
	word, quoted, any := "", false, false
	for _, r := range s {
		switch {
		case r == '\'':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any {
				out = append(out, word)
			}
			word, any = "", false
		default:
			word, any = word+string(r), true
		}
	}
	if any {
		out = append(out, word)
	}
	return out
}

// Without the token, under another host's name or from another page there is no answer.
func TestExplorerKeepsOthersOut(t *testing.T) {
	e := newExplorer(t)
	ask := func(path string, change func(*http.Request)) int {
		r, err := http.NewRequest("GET", e.at.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	nothing := func(*http.Request) {}
	for _, path := range []string{"/", "/api/view?m=phi4-mini", "/" + e.Token[1:] + "/", "/" + strings.Repeat("0", len(e.Token)) + "/api/choices", "/app.js"} {
		if code := ask(path, nothing); code != http.StatusForbidden {
			t.Errorf("%s without the token: %d", path, code)
		}
	}
	good := "/" + e.Token + "/api/choices"
	if code := ask(good, nothing); code != 200 {
		t.Fatalf("with the token: %d", code)
	}
	if code := ask(good, func(r *http.Request) { r.Host = "evil.example" }); code != http.StatusForbidden {
		t.Errorf("another host's name: %d", code)
	}
	if code := ask(good, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }); code != http.StatusForbidden {
		t.Errorf("another page: %d", code)
	}
	if code := ask("/"+e.Token+"/api/nothing", nothing); code != 404 {
		t.Errorf("what is not there: %d", code)
	}
}

// A bad address is one sentence, whatever is wrong with it, and reads no file.
func TestExplorerBadAddresses(t *testing.T) {
	e := newExplorer(t)
	file := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(file, []byte("name: secret\nwidth: 64\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"", "m=", "m=nosuch", "m=phi4-mini&batch=0", "m=phi4-mini&batch=-1", "m=phi4-mini&prompt=1e99", "m=phi4-mini&generate=0", "m=phi4-mini&on=nope",
		"m=phi4-mini&on=h200,h200", "m=phi4-mini&fidelity=guess", "m=phi4-mini&weights=int99", "m=phi4-mini&tp=3000000000", "m=phi4-mini&tp=x", "m=phi4-mini&nosuch=1",
		"m=phi4-mini&batch=1&batch=2", "m=sambay", "m=sambay(d=999999999)", "m=sambay(d=16,heads=-1)", "m=yaml:", "m=yaml:name:%20x%0Alayout:%20((((", "m=" + strings.Repeat("(", 5000),
		"m=phi4-mini&gmu-ratio=2", "m=phi4-mini&gmu-ratio=0.5", "m=phi4-mini&memory-fraction=0", "m=phi4-mini&on=" + url.QueryEscape(file), "m=" + url.QueryEscape(file), "m=/etc/passwd",
		"m=a&m=b&m=c&m=d&m=e", "m=phi4-mini&calibration=/etc/passwd", "m=phi4-mini&on=%ff", "m=phi4-mini&kv=" + strings.Repeat("9", 600),
		"m=phi4-mini&serve=clients=0", "m=phi4-mini&serve=people=2", "m=phi4-mini&serve=clients=2,engine=/etc/passwd", "m=phi4-mini&slo=tpot=2ms", "m=phi4-mini&serve=clients=2&slo=tpot=2",
		"m=phi4-mini&price=0", "m=phi4-mini&price=NaN", "m=phi4-mini&price=h200=3", "m=phi4-mini&price=/etc/passwd", "m=phi4-mini&price=/etc/passwd=3", "m=phi4-mini&draft=/etc/passwd&acceptance=0.5", "m=phi4-mini&acceptance=0.5&draft=" + url.QueryEscape(file), "m=phi4-mini&acceptance=0.5&draft=yaml:name:%20x",
		"m=phi4-mini&draft=ngram", "m=phi4-mini&acceptance=0.5", "m=phi4-mini&draft=ngram&acceptance=2", "m=phi4-mini&draft=mtp&acceptance=0.5", "m=phi4-mini&draft=ngram&acceptance=0.5&draft-tokens=99",
		"m=phi4-mini&prefix-share=2", "m=phi4-mini&prefix-share=x", "m=phi4-mini&skew=0", "m=phi4-mini&microbatches=-1", "m=phi4-mini&on=h200,l4&price=h200=3",
	} {
		for _, path := range []string{"api/view?", "api/figure/throughput?width=500&theme=light&", "api/download/report?", "api/download/csv?", "api/download/yaml?design=0&", "api/load?width=500&theme=light&"} {
			code, body := e.get(path + q)
			var m map[string]any
			if err := json.Unmarshal([]byte(body), &m); err != nil || code != http.StatusUnprocessableEntity {
				t.Errorf("%s%.60s: %d %.100s", path, q, code, body)
				continue
			}
			if says, _ := m["error"].(string); says == "" || strings.Contains(says, "\n") || strings.Contains(says, "panic") || strings.Contains(says, "invalid argument") || len(says) > 1000 {
				t.Errorf("%s%.60s: %q", path, q, says)
			}
		}
	}
	for _, path := range []string{"api/view?m=mixtral-8x7b&dp=2&on=h200&serve=clients=2", "api/view?m=phi4-mini&pp=2&draft=ngram&acceptance=0.5", "api/figure/nosuch?m=phi4-mini&width=500&theme=light", "api/figure/tpot?m=phi4-mini&width=1&theme=light", "api/figure/tpot?m=phi4-mini&width=NaN&theme=light",
		"api/figure/tpot?m=phi4-mini&width=500&theme=pink", "api/load?m=phi4-mini&width=500&theme=light", "api/figure/cost?m=phi4-mini&width=500&theme=light", "api/download/yaml?m=phi4-mini&design=7"} {
		if code, body := e.get(path); code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// Whatever stands in an address, the answer is JSON.
func FuzzExplorerAddress(f *testing.F) {
	s, err := exploreServer(url.Values{"m": {"phi4-mini"}}, "test", "a100-80gb")
	if err != nil {
		f.Fatal(err)
	}
	h := s.Handler()
	f.Add("sambay(d=16)", "on", "h200")
	f.Add("yaml:name: x\nwidth: 64\nvocab: 10\nlayout: a*2\nmixers:\n  a: {kind: attention, heads: 4, kv_heads: 2, head_dim: 16}\nffn: {kind: mlp, inner: 64}\n", "batch", "max")
	f.Fuzz(func(t *testing.T, m, key, value string) {
		q := url.Values{"m": {m}, key: {value}}
		r := httptest.NewRequest("GET", "http://127.0.0.1/"+s.Token+"/api/view?"+q.Encode(), nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q %q %q: %s", m, key, value, w.Body.String())
		}
	})
}
