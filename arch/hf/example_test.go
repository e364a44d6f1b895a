package hf_test

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch/hf"
)

func ExampleImport() {
	m, err := hf.Import("tiny", []byte(`{"model_type": "llama", "hidden_size": 256, "intermediate_size": 688,
		"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "rms_norm_eps": 1e-5}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Summary(), m.Params().Total)
	_, err = hf.Import("tiny", []byte(`{"model_type": "llama", "hidden_size": -1}`))
	fmt.Println(err)
	// Output:
	// full*2 1963264
	// llama: hidden_size must be positive, is -1
}
