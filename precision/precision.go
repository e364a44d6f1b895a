// Package precision names the number formats a decoder is stored and computed in
// and says how many bytes an element of each takes.
//
// Scope: storage size only. What a GPU can compute in is the hardware profile's
// business; how much accuracy a format costs is nobody's here.
package precision

import (
	"fmt"
	"strings"
)

// DType is a number format.
type DType uint8

// The formats ridgeline prices. Unset means "as the checkpoint stores it".
const (
	Unset DType = iota
	FP32
	TF32 // compute only: stored as FP32
	BF16
	FP16
	FP8
	INT8
	INT4  // group-wise: one 16-bit scale per 128 values
	MXFP4 // OCP microscaling: one 8-bit scale per 32 values
	FP4   // compute name of MXFP4/NVFP4 peaks
	NVFP4 // Nvidia's 4-bit floats: one 8-bit scale per 16 values
	count
)

var names = [count]string{"", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "int4", "mxfp4", "fp4", "nvfp4"}

// bytes per element, scales included. INT4: 0.5 + 2/128 (GPTQ/AWQ group size 128);
// MXFP4: 0.5 + 1/32 (OCP Microscaling Formats v1.0, table 1); NVFP4: 0.5 + 1/16.
var sizes = [count]float64{0, 4, 4, 2, 2, 1, 1, 0.5 + 2.0/128, 0.5 + 1.0/32, 0.5 + 1.0/32, 0.5 + 1.0/16}

// String returns the name used on the command line, "" for Unset.
func (d DType) String() string {
	if d < count {
		return names[d]
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Bytes returns the bytes one stored element takes, scales included; 0 for Unset.
func (d DType) Bytes() float64 {
	if d < count {
		return sizes[d]
	}
	return 0
}

// aliases are the spellings of PyTorch and of config files.
var aliases = map[string]DType{
	"float32": FP32, "float": FP32, "torch.float32": FP32,
	"bfloat16": BF16, "torch.bfloat16": BF16,
	"float16": FP16, "half": FP16, "torch.float16": FP16,
	"float8": FP8, "float8_e4m3fn": FP8, "fp8_e4m3": FP8, "fp8_e5m2": FP8,
}

// Storable lists the formats weights, caches and states may be stored in.
func Storable() []DType { return []DType{FP32, BF16, FP16, FP8, INT8, INT4, MXFP4, NVFP4} }

// Parse reads a format's name. The error lists the names it knows.
func Parse(s string) (DType, error) {
	l := strings.ToLower(strings.TrimSpace(s))
	for d := FP32; d < count; d++ {
		if names[d] == l {
			return d, nil
		}
	}
	if d, ok := aliases[l]; ok {
		return d, nil
	}
	return Unset, fmt.Errorf("unknown number format %q (know %s)", s, strings.Join(names[1:], ", "))
}

// MarshalText writes the name, so that JSON and YAML hold "bf16" and not a number.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *DType) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Unset
		return nil
	}
	v, err := Parse(string(b))
	if err == nil {
		*d = v
	}
	return err
}
