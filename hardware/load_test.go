package hardware

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/precision"
)

func TestEveryProfileIsSound(t *testing.T) {
	if len(All()) != 22 {
		t.Errorf("%d profiles", len(All()))
	}
	for _, p := range All() {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if p.MemoryBandwidth.Value > 20e12 {
			t.Errorf("%s: %g bytes/s", p.Name, p.MemoryBandwidth.Value)
		}
		b := p.Peak[precision.BF16].Value
		if f, ok := p.Peak[precision.FP8]; ok && f.Value < b {
			t.Errorf("%s: fp8 slower than bf16", p.Name)
		}
		if f := p.Peak[precision.FP32].Value; b > 0 && f > b {
			t.Errorf("%s: fp32 faster than bf16", p.Name)
		}
		for name, f := range p.Peak {
			if f.Source == "user" {
				t.Errorf("%s: %s has no source", p.Name, name)
			}
		}
	}
}

// Figures checked against the datasheets by hand.
func TestFigures(t *testing.T) {
	for name, want := range map[string][3]float64{
		"a100-80gb": {312e12, 2.039e12, 80e9}, "h100-sxm": {989.4e12, 3.35e12, 80e9}, "h200": {989.4e12, 4.8e12, 141e9},
		"b200": {2250e12, 8e12, 180e9}, "l40s": {362.05e12, 864e9, 48e9}, "mi300x": {1307.4e12, 5.3e12, 192e9},
	} {
		p, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]float64{p.Peak[precision.BF16].Value, p.MemoryBandwidth.Value, p.MemoryCapacity.Value}; got != want {
			t.Errorf("%s: %v, datasheet %v", name, got, want)
		}
	}
}

func TestLookupErrors(t *testing.T) {
	for in, want := range map[string]string{"a100": "a100-40gb or a100-80gb", "h20": "did you mean h200", "x": "know a100-40gb"} {
		if _, err := Lookup(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, err := Lookup("A100_80GB"); err != nil {
		t.Error(err)
	}
}

const good = "name: x\npeak_flops: {fp32: 1e12}\nmemory_bandwidth: 1e11\nmemory_capacity: 1e10\n"

func TestParse(t *testing.T) {
	p, err := Parse("x.yaml", []byte(good))
	if err != nil || p.MemoryBandwidth != (Figure{1e11, "user"}) {
		t.Fatalf("%+v %v", p, err)
	}
	var b bytes.Buffer
	if err := p.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	q, err := Parse("y.yaml", b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if d := cmp.Diff(p, q); d != "" {
		t.Error(d)
	}
	for in, want := range map[string]string{
		"":                                       "x.yaml: empty",
		"name: [":                                "x.yaml:1: ",
		good + "what: 1\n":                       "x.yaml:5: ",
		strings.Replace(good, "1e11", "-1", 1):   "x.yaml:3: memory_bandwidth",
		strings.Replace(good, "1e11", ".nan", 1): "x.yaml:3: memory_bandwidth",
		strings.Replace(good, "1e10", "0", 1):    "x.yaml:4: memory_capacity",
		strings.Replace(good, "fp32", "fp31", 1): "x.yaml",
		strings.Replace(good, "1e10", "{value: 1, source: nope}", 1): "x.yaml:4: memory_capacity: source",
		strings.Replace(good, "{fp32: 1e12}", "{}", 1):               "x.yaml:2: peak_flops",
	} {
		_, err := Parse("x.yaml", []byte(in))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Parse("x", b); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("%q", err)
		}
	})
}

// Errors speak of the file, not of the program that reads it.
func TestErrorsWithoutGoWords(t *testing.T) {
	good := "name: x\nmemory_bandwidth: 1e12\nmemory_capacity: 1e10\n"
	for _, c := range []struct{ text, want string }{
		{good + "peak_flops: {bf16: x}", `x.yaml:4: `}, {good + "peak_flops: [1]", "x.yaml:4: "}, {"name: [1]", "x.yaml:1: name: a text is wanted"},
		{good + "peak_flops: 3", "x.yaml:4: "}, {"[1, 2]", "x.yaml:1: "}, {"3", "x.yaml:1: "}, {good + "notes: 3", "x.yaml:4: a list is wanted, not a single value"},
		{good + "sources: 7", "x.yaml:4: a mapping is wanted"}, {good + "reach: {a: {value: y}}", "x.yaml:4: "}, {"name: {a: b}", "x.yaml:1: name"},
		{good + "cache: {value: 1e999999, source: user}", "x.yaml:4: "}, {good + "nope: 1", "x.yaml:4: "}, {"a: b: c", "x.yaml:1: "},
	} {
		_, err := Parse("x.yaml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
			continue
		}
		for _, word := range []string{"unmarshal", "struct", "float64", "interface", "Go ", "map[", "*ast", "EOF"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%q: %v", c.text, err)
			}
		}
	}
}

// Figures that no device has are typing errors: times of them would be no numbers.
func TestFiguresOutOfRange(t *testing.T) {
	const file = "name: mine\npeak_flops: {bf16: 100e12}\nmemory_bandwidth: 1e12\nmemory_capacity: 80e9\n"
	for _, tt := range []struct{ from, to, want string }{
		{"100e12", "1e309", "x.yaml:2: peak"}, {"100e12", "1e309", `a number is wanted, not "1e309"`}, {"100e12", "fast", `a number is wanted, not "fast"`},
		{"1e12", "1e-300", "memory_bandwidth: 1e-300 is not from 1 to 1e+24"}, {"80e9", "0.5", "memory_capacity: 0.5 is not from 1"}, {"100e12", "1e25", "peak_flops.bf16: 1e+25 is not from 1 to 1e+24"},
	} {
		if _, err := Parse("x.yaml", []byte(strings.Replace(file, tt.from, tt.to, 1))); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s for %s: %v, want %q", tt.to, tt.from, err, tt.want)
		}
	}
	for _, ok := range []string{"1", "1e24"} {
		if _, err := Parse("x.yaml", []byte(strings.Replace(file, "1e12", ok, 1))); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	long := strings.Replace(file, "mine", strings.Repeat("x", 1001), 1)
	if _, err := Parse("x.yaml", []byte(long)); err == nil || !strings.Contains(err.Error(), "1001 characters, more than 1000") {
		t.Errorf("a name of 1,001 characters: %v", err)
	}
}
