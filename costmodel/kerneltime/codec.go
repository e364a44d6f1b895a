package kerneltime

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// stored is a table as a profile holds it: one signed byte per node, of Scale each,
// differences along the last axis, deflated, base64.
type stored struct {
	Slices int        `yaml:"slices"`
	Axes   [axes]axis `yaml:"axes"`
	Scale  float64    `yaml:"scale"`
	Data   string     `yaml:"data"`
}

// finest is the smallest step of a stored correction, 2.4 %: what rounding to it loses is
// well under what timings of one cell scatter by, and it keeps a profile below 64 KB.
const finest = 0.024

// maxNodes bounds a table that is read from a file.
const maxNodes = 1 << 20

// Quantise rounds the values to what a profile can hold, so that a fitted profile
// predicts the same before and after it is written.
func (t *Table) Quantise() {
	scale := t.scale()
	for i, v := range t.Values {
		t.Values[i] = float32(math.Round(float64(v)/scale) * scale)
	}
}

// scale returns the step that the largest value needs in a signed byte.
func (t *Table) scale() float64 {
	most := 0.0
	for _, v := range t.Values {
		most = max(most, math.Abs(float64(v)))
	}
	return max(most/127, finest)
}

// MarshalYAML returns the stored form.
func (t Table) MarshalYAML() (any, error) { return t.stored() }

// MarshalJSON writes the stored form.
func (t Table) MarshalJSON() ([]byte, error) {
	s, err := t.stored()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (t Table) stored() (stored, error) {
	if len(t.Values) == 0 {
		return stored{Slices: t.Slices, Axes: t.Axes}, nil
	}
	// Seven digits, so that the rounded Values are multiples of the stored scale.
	scale := t.scale()
	raw := make([]byte, len(t.Values))
	prev := 0
	for i, v := range t.Values {
		q := int(math.Round(float64(v) / scale))
		raw[i] = byte(q - prev)
		prev = q
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return stored{}, err
	}
	if _, err := w.Write(raw); err != nil {
		return stored{}, err
	}
	if err := w.Close(); err != nil {
		return stored{}, err
	}
	return stored{t.Slices, t.Axes, scale, base64.StdEncoding.EncodeToString(b.Bytes())}, nil
}

// UnmarshalYAML reads the stored form.
func (t *Table) UnmarshalYAML(unmarshal func(any) error) error {
	var s stored
	if err := unmarshal(&s); err != nil {
		return err
	}
	return t.restore(&s)
}

// UnmarshalJSON reads the stored form.
func (t *Table) UnmarshalJSON(b []byte) error {
	var s stored
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	return t.restore(&s)
}

// errDamaged is a table whose packed values cannot be unpacked.
var errDamaged = errors.New("table: its data is cut or was changed: write the profile anew")

func (t *Table) restore(s *stored) error {
	nodes := float64(s.Slices)
	for _, a := range s.Axes {
		if a.N < 1 || a.N > 1 && !(a.PerOctave > 0 && a.PerOctave < 100) || !(math.Abs(a.Lo) < 100) {
			return fmt.Errorf("table: an axis of %d nodes from 2^%g, %g to an octave, cannot be", a.N, a.Lo, a.PerOctave)
		}
		nodes *= float64(a.N)
	}
	if !(nodes >= 1 && nodes <= maxNodes) {
		return fmt.Errorf("table: %g nodes, want 1 to %d", nodes, maxNodes)
	}
	*t = Table{Slices: s.Slices, Axes: s.Axes}
	n := t.Shape()
	if s.Data == "" {
		return nil
	}
	packed, err := base64.StdEncoding.DecodeString(s.Data)
	if err != nil {
		return errDamaged
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), int64(n)+1))
	if err != nil {
		return errDamaged
	}
	if len(raw) != n {
		return fmt.Errorf("table: %d values, its axes have %d nodes", len(raw), n)
	}
	if !(s.Scale > 0 && s.Scale < 0.1) {
		return fmt.Errorf("table: scale %g is out of range", s.Scale)
	}
	t.Values = make([]float32, n)
	prev := int8(0)
	for i, b := range raw {
		prev += int8(b)
		t.Values[i] = float32(float64(prev) * s.Scale)
	}
	return nil
}
