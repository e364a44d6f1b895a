package formats

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/precision"
)

// Parse reads a format as String writes it: a name and, behind colons, how it differs
// from what the name alone stands for.
//
//	fp32 bf16 fp16              numbers as they are
//	fp8                         one fp32 scale for the matrix
//	int8                        one 16-bit scale for each output
//	int2 … int7                 a 16-bit scale for each 128 values of a row
//	nvfp4 mxfp4 mxfp8 nf4 fp4   as Nvidia, OCP and bitsandbytes define them
//	gptq4 awq4 ct4 mlx4         n-bit layouts of those tools (2 to 8), groups of 128; mlx: 64
//	bnb8                        bitsandbytes' LLM.int8
//	q4_k q6_k iq4_xs …          GGUF block types
//
//	:g64  :channel  :tensor     a scale for each 64 values of a row, for each output, for the matrix
//	:128x128                    a scale for each block of 128 outputs by 128 inputs
//	:s32                        scales of 32 bits (8, 16 or 32)
//	:asym                       a zero point beside each scale, as wide as a value
//	:bias                       a 16-bit bias beside each scale
//	:order                      the group of each input (4 bytes)
//	:awq                        a 16-bit scale of each input
//	:+8                         bytes stored once for the matrix
//	:double                     quantised scales (nf4, fp4)
func Parse(s string) (Format, error) {
	name, rest, some := strings.Cut(strings.ToLower(strings.TrimSpace(s)), ":")
	f, ok := named(name)
	if !ok {
		return Format{}, fmt.Errorf("unknown weight format %q (know %s)", clip(s), known)
	}
	if !some {
		return f, nil
	}
	if !f.Quantised() || f.gguf != GGUFF32 {
		return Format{}, fmt.Errorf("weight format %q: %s has no groups to change with %q", clip(s), name, clip(rest))
	}
	for _, part := range strings.Split(rest, ":") {
		if err := f.set(part); err != nil {
			return Format{}, fmt.Errorf("weight format %q: %w", clip(s), err)
		}
	}
	return f, nil
}

const known = "fp32, bf16, fp16, fp8, int8, int4, int3, int2, nvfp4, mxfp4, mxfp8, nf4, gptq4, awq4, mlx4, bnb8, GGUF types such as q4_k; groups as in int4:g64"

// Names lists formats worth offering.
func Names() []string {
	return []string{"fp32", "bf16", "fp16", "fp8", "int8", "int4", "nvfp4", "mxfp4", "nf4", "q8_0", "q6_k", "q5_k", "q4_k", "q3_k"}
}

// named is the format a bare name stands for.
func named(name string) (Format, bool) {
	switch name {
	case "fp8", "fp8_e4m3", "float8_e4m3fn":
		return FP8(0, 0, 32), true
	case "int8":
		return Int(8, 0), true
	case "nvfp4":
		return NVFP4(), true
	case "mxfp4":
		return MXFP4(), true
	case "mxfp8":
		return MXFP8(), true
	case "nf4", "fp4":
		return BNB4(false), true
	case "bnb8":
		return BNB8(), true
	}
	for _, p := range []struct {
		prefix string
		of     func(bits int) Format
	}{
		{"int", func(b int) Format { return Int(b, 128) }},
		{"gptq", func(b int) Format { return GPTQ(b, 128) }},
		{"awq", func(b int) Format { return AWQ(b, 128) }},
		{"ct", func(b int) Format { return Packed(b, 1, 128, false, false) }},
		{"mlx", func(b int) Format { return MLX(b, 64) }},
	} {
		if digits, ok := strings.CutPrefix(name, p.prefix); ok && len(digits) == 1 && digits[0] >= '2' && digits[0] <= '8' {
			return p.of(int(digits[0] - '0')), true
		}
	}
	if t, ok := ggufNamed(name); ok {
		return InGGUF(t), true
	}
	if d, err := precision.Parse(name); err == nil && (d == precision.FP32 || d == precision.BF16 || d == precision.FP16) {
		return Plain(d), true
	}
	return Format{}, false
}

// set changes one thing about a format.
func (f *Format) set(part string) error {
	switch part {
	case "channel", "tensor":
		if f.packing == flat {
			return fmt.Errorf("%s does not go with blocks that cross rows", part)
		}
		f.blockOut, f.blockIn = 1, 0
		if part == "tensor" {
			f.blockOut = 0
		}
		return nil
	case "asym":
		f.offset = f.bits
		return nil
	case "bias":
		f.offset = 16
		return nil
	case "order":
		f.index = 4
		return nil
	case "awq":
		f.index = 2
		return nil
	case "double":
		if f.packing != flat {
			return fmt.Errorf("double is for nf4 and fp4")
		}
		f.double = true
		return nil
	case "s8", "s16", "s32":
		n, _ := strconv.Atoi(part[1:])
		f.scale = uint8(n)
		return nil
	}
	const most = 1 << 20
	size := func(s string) (int32, bool) {
		n, err := strconv.Atoi(s)
		return int32(n), err == nil && n >= 1 && n <= most
	}
	if digits, ok := strings.CutPrefix(part, "g"); ok {
		if n, ok := size(digits); ok {
			f.blockIn = n
			if f.packing != flat {
				f.blockOut = 1
			}
			return nil
		}
	}
	if digits, ok := strings.CutPrefix(part, "+"); ok {
		if n, err := strconv.ParseUint(digits, 10, 8); err == nil {
			f.extra = uint8(n)
			return nil
		}
	}
	if a, b, ok := strings.Cut(part, "x"); ok && f.packing != flat {
		out, ok1 := size(a)
		in, ok2 := size(b)
		if ok1 && ok2 {
			f.blockOut, f.blockIn = out, in
			return nil
		}
	}
	return fmt.Errorf("%q is not one of g64 (any group), 128x128, channel, tensor, s8, s16, s32, asym, bias, order, awq, double, +8", clip(part))
}

// String is the shortest name Parse reads; "" for the zero value.
func (f Format) String() string {
	switch {
	case !f.Said():
		return ""
	case f.plain != precision.Unset:
		return f.plain.String()
	case f.gguf != GGUFF32:
		return f.gguf.String()
	}
	best := ""
	for _, name := range f.bases() {
		base, _ := named(name)
		parts, ok := f.difference(base)
		if !ok {
			continue
		}
		s := strings.Join(append([]string{name}, parts...), ":")
		if best == "" || len(s) < len(best) {
			best = s
		}
	}
	return best
}

// bases are the names the format may be spelled from, most telling first.
func (f Format) bases() []string {
	bits := strconv.Itoa(int(f.bits))
	switch {
	case f.elem == table:
		return []string{"nf4"}
	case f.elem == float && f.bits == 4:
		return []string{"nvfp4", "mxfp4"}
	case f.elem == float:
		return []string{"fp8", "mxfp8"}
	case f.packing == wholeValues:
		return []string{"ct" + bits}
	case f.packing == byWords && f.offset == 16:
		return []string{"mlx" + bits}
	case f.packing == byWords && f.index > 0:
		return []string{"gptq" + bits}
	case f.packing == byWords:
		return []string{"awq" + bits}
	case f.bits == 8:
		return []string{"int8", "bnb8"}
	}
	return []string{"int" + bits}
}

// difference spells what must be set on base to make f; ok is false where it cannot be.
func (f Format) difference(base Format) (parts []string, ok bool) {
	try := func(part string) {
		if base.set(part) == nil {
			parts = append(parts, part)
		}
	}
	if f.blockOut != base.blockOut || f.blockIn != base.blockIn {
		switch {
		case f.packing == flat, f.blockOut == 1 && f.blockIn > 0:
			try("g" + strconv.Itoa(int(f.blockIn)))
		case f.blockOut == 0 && f.blockIn == 0:
			try("tensor")
		case f.blockOut == 1:
			try("channel")
		default:
			try(fmt.Sprintf("%dx%d", f.blockOut, f.blockIn))
		}
	}
	if f.scale != base.scale {
		try("s" + strconv.Itoa(int(f.scale)))
	}
	if f.offset != base.offset && f.offset == f.bits {
		try("asym")
	}
	if f.offset != base.offset && f.offset == 16 {
		try("bias")
	}
	if f.index != base.index {
		try(map[bool]string{true: "awq", false: "order"}[f.index == 2])
	}
	if f.extra != base.extra {
		try("+" + strconv.Itoa(int(f.extra)))
	}
	if f.double != base.double {
		try("double")
	}
	return parts, base == f
}

// MarshalText writes the name.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Format) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*f = Format{}
		return nil
	}
	v, err := Parse(string(b))
	if err == nil {
		*f = v
	}
	return err
}

// clip shortens text for an error line.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
