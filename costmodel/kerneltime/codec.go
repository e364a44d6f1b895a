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

// stored is a table as it is written in a profile: one signed byte for each node, in units of
// Scale, as differences along the last axis, deflated, in base64.
type stored struct {
	Slices int        `yaml:"slices"`
	Axes   [axes]axis `yaml:"axes"`
	Scale  float64    `yaml:"scale"`
	Data   string     `yaml:"data"`
}

// finest is the smallest step of a stored correction, 2.4 %. Rounding to it changes less than
// timings of the same shape differ, and keeps a profile below 64 KB.
const finest = 0.024

// maxNodes is the largest table that is read from a file.
const maxNodes = 1 << 20

// Quantise rounds the values to what a file can hold, so that a profile predicts the same before
// it is written and after it is read.
func (t *Table) Quantise() {
	scale := t.scale()
	for i, v := range t.Values {
		t.Values[i] = float32(math.Round(float64(v)/scale) * scale)
	}
}

// scale returns the step with which the largest value fits into a signed byte.
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
	// Seven digits are kept, so that the rounded values are multiples of the scale as it is
	// stored.
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

// errDamaged says that the packed values of a table cannot be unpacked.
var errDamaged = errors.New("table: its data is cut or was changed: write the profile anew")

func (t *Table) restore(s *stored) error {
	nodes := float64(s.Slices)
	for _, a := range s.Axes {
		if a.N < 1 || a.N > 1 && !(a.PerOctave > 0 && a.PerOctave < 100) || !(math.Abs(a.Lo) < 100) {
			return fmt.Errorf("table: an axis of %d nodes from 2^%g, %g to an octave, is not possible", a.N, a.Lo, a.PerOctave)
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
