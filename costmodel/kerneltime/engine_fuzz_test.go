package kerneltime

import (
	"bytes"
	"strings"
	"testing"
)

// Any file of engines is read or refused on one line; what is read is written so that it
// reads back the same.
func FuzzParseEngines(f *testing.F) {
	var b bytes.Buffer
	if err := WriteEngines(&b, Engines()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("engines: []"))
	f.Add([]byte("engines:\n- {name: x, host_seconds: 1e-3}\n- {name: x}\n"))
	f.Add([]byte("engines: [{name: [x]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		es, err := ParseEngines("x.yaml", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") || !strings.HasPrefix(err.Error(), "x.yaml:") {
				t.Fatalf("%q", err)
			}
			return
		}
		var b bytes.Buffer
		if err := WriteEngines(&b, es); err != nil {
			t.Fatal(err)
		}
		again, err := ParseEngines("again.yaml", b.Bytes())
		if err != nil || len(again) != len(es) {
			t.Fatalf("written and read back: %v\n%s", err, b.String())
		}
	})
}
