package formats

import (
	"math"
	"testing"

	"github.com/OWNER/ridgeline/precision"
)

// The bytes of each layout, summed by hand from the tensors that its tool writes.
func TestBytesByHand(t *testing.T) {
	const out, in = 4864, 896 // Qwen2.5-0.5B's up projection
	for _, c := range []struct {
		name    string
		f       Format
		out, in int
		want    int64
	}{
		{"bf16", Plain(precision.BF16), out, in, out * in * 2},
		{"fp8, one scale", FP8(0, 0, 32), out, in, out*in + 4},
		{"fp8, a scale an output, bf16", FP8(1, 0, 16), out, in, out*in + 2*out},
		// weight_scale_inv fp32 [38, 7]
		{"fp8 in blocks", FP8(128, 128, 32), out, in, out*in + 38*7*4},
		{"fp8 in blocks, ragged", FP8(128, 128, 32), 576, 7168, 576*7168 + 5*56*4},
		// qweight int32 [112, 4864], qzeros int32 [7, 608], scales fp16 [7, 4864], g_idx int32 [896]
		{"gptq 4", GPTQ(4, 128), out, in, 112*4864*4 + 7*608*4 + 7*4864*2 + 896*4},
		// qweight int32 [224, 4864], qzeros int32 [7, 1216]
		{"gptq 8", GPTQ(8, 128), out, in, 224*4864*4 + 7*1216*4 + 7*4864*2 + 896*4},
		// three bits run on through the words: qweight int32 [84, 4864], qzeros [7, 456]
		{"gptq 3", GPTQ(3, 128), out, in, 84*4864*4 + 7*456*4 + 7*4864*2 + 896*4},
		// one group for a whole row
		{"gptq 4, one group", GPTQ(4, 0), out, in, 112*4864*4 + 608*4 + 4864*2 + 896*4},
		// qweight int32 [896, 608], qzeros int32 [7, 608], scales fp16 [7, 4864]
		{"awq", AWQ(4, 128), out, in, 896*608*4 + 7*608*4 + 7*4864*2},
		// weight_packed int32 [4864, 112], weight_scale [4864, 7], weight_shape int64 [2]
		{"pack-quantized", Packed(4, 1, 128, false, false), out, in, 4864*112*4 + 4864*7*2 + 16},
		// weight_zero_point int32 [608, 7]
		{"pack-quantized, asymmetric", Packed(4, 1, 128, true, true), out, in, 4864*112*4 + 4864*7*2 + 16 + 608*7*4 + 896*4},
		{"pack-quantized, 3 bits: ten to a word", Packed(3, 1, 128, false, false), out, in, 4864*90*4 + 4864*7*2 + 16},
		// weight_packed uint8 [4864, 448], weight_scale fp8 [4864, 56], two fp32
		{"nvfp4", NVFP4(), out, in, 4864*448 + 4864*56 + 8},
		{"mxfp4", MXFP4(), out, in, 4864*448 + 4864*28},
		{"mxfp8", MXFP8(), out, in, 4864*896 + 4864*28},
		// weight uint32 [4864, 112], scales and biases fp16 [4864, 14]
		{"mlx", MLX(4, 64), out, in, 4864*112*4 + 2*4864*14*2},
		// weight int8, SCB fp32 [4864]
		{"bnb 8", BNB8(), out, in, 4864*896 + 4864*4},
		// absmax fp32 [68096], quant_map fp32 [16]
		{"nf4", BNB4(false), out, in, 4864*896/2 + 68096*4 + 64},
		// absmax uint8 [68096], nested_absmax fp32 [266], nested_quant_map fp32 [256]
		{"nf4, double", BNB4(true), out, in, 4864*896/2 + 68096 + 266*4 + 1024 + 64},
		{"q4_k", InGGUF(12), 4864, 1024, 4864 * 4 * 144},
		{"q6_k", InGGUF(14), 4864, 1024, 4864 * 4 * 210},
		{"q8_0", InGGUF(8), 4864, 896, 4864 * 28 * 34},
		{"a gguf vector", InGGUF(0), 1, 896, 896 * 4},
		{"nothing said", Format{}, 10, 10, 0},
		{"an empty matrix", NVFP4(), 0, 10, 0},
	} {
		if got := c.f.Bytes(c.out, c.in); got != c.want {
			t.Errorf("%s: [%d, %d] takes %d bytes, want %d", c.name, c.out, c.in, got, c.want)
		}
	}
}

// Bits a weight of the k-quants and i-quants, as llama.cpp prints them.
func TestGGUFBitsPerWeight(t *testing.T) {
	for name, want := range map[string]float64{
		"q2_k": 2.625, "q3_k": 3.4375, "q4_k": 4.5, "q5_k": 5.5, "q6_k": 6.5625, "q8_0": 8.5, "q4_0": 4.5, "q4_1": 5,
		"q5_0": 5.5, "q5_1": 6, "iq1_s": 1.5625, "iq1_m": 1.75, "iq2_xxs": 2.0625, "iq2_xs": 2.3125, "iq2_s": 2.5625,
		"iq3_xxs": 3.0625, "iq3_s": 3.4375, "iq4_nl": 4.5, "iq4_xs": 4.25, "tq1_0": 1.6875, "tq2_0": 2.0625,
		"mxfp4_gguf": 4.25, "nvfp4_gguf": 4.5,
	} {
		f, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := 8 * f.PerValue(); got != want {
			t.Errorf("%s has %g bits a value, want %g", name, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for name, want := range map[string]Format{
		"bf16": Plain(precision.BF16), "FP8": FP8(0, 0, 32), "fp8:128x128": FP8(128, 128, 32), "fp8:channel:s16": FP8(1, 0, 16),
		"int4": Int(4, 128), "int4:g128": Int(4, 128), "int4:g64": Int(4, 64), "int8": Int(8, 0), "int3:g32": Int(3, 32),
		"gptq4:g32": GPTQ(4, 32), "gptq4:channel": GPTQ(4, 0), "awq4": AWQ(4, 128), "mlx4": MLX(4, 64), "mlx8:g128": MLX(8, 128),
		"nvfp4": NVFP4(), "mxfp4": MXFP4(), "mxfp8": MXFP8(), "nf4": BNB4(false), "nf4:double": BNB4(true), "bnb8": BNB8(),
		"fp8:+4": FP8(0, 0, 32).WithExtra(4), "int4:awq": Int(4, 128).WithIndex(2), "int8:s16": Bytewise(1, 0, false),
		"ct4:asym:order": Packed(4, 1, 128, true, true), "q4_k": InGGUF(12), "bfloat16": Plain(precision.BF16),
	} {
		got, err := Parse(name)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", name, got, err, want)
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("%q is written %q, which reads as %+v, %v", name, got.String(), again, err)
		}
	}
	for _, bad := range []string{"", "int9", "int1", "int4:", "int4:g0", "int4:g-1", "int4:64", "bf16:g64", "q4_k:g64", "nf4:channel", "int4:double", "tf32", "int4:g999999999"} {
		if f, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", bad, f)
		}
	}
}

// A format of a big matrix takes what its name says of a value; the plain ones exactly.
func TestPerValue(t *testing.T) {
	for name, want := range map[string]float64{
		"fp32": 4, "bf16": 2, "fp8": 1, "int8": 1 + 2.0/4096, "int4": 0.5 + 2.0/128, "nvfp4": 0.5625, "mxfp4": 0.5 + 1.0/32,
		"nf4": 0.5 + 4.0/64, "awq4": 0.5 + 2.5/128, "mlx4": 0.5 + 4.0/64,
	} {
		f, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.PerValue(); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s takes %g bytes a value, want %g", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"int4:g128", "fp8:128x128:s32", "nf4:double", "q4_k", "gptq3:channel", "ct4:asym:order", "mlx4:bias", "bnb8:tensor:asym"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		name := a.String()
		b, err := Parse(name)
		if err != nil {
			t.Fatalf("%q reads as %+v, which is written %q: %v", s, a, name, err)
		}
		if a != b {
			t.Fatalf("%q is %+v, its name %q %+v", s, a, name, b)
		}
		if n := a.Bytes(7, 13); n <= 0 {
			t.Fatalf("%q: a matrix takes %d bytes", s, n)
		}
	})
}
