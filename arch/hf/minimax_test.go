package hf

import (
	"strings"
	"testing"
)

// A list that is longer than the model has layers is an error, whatever else is wrong.
func TestMiniMaxListTooLong(t *testing.T) {
	for _, config := range []string{
		`{"model_type":"minimax_m1","hidden_size":64,"vocab_size":10,"num_hidden_layers":1,"attn_type_list":[0,1,0]}`,
		`{"model_type":"minimax_m1","hidden_size":"wide","vocab_size":10,"num_hidden_layers":1,"attn_type_list":[0,1,0]}`,
	} {
		if _, err := Import("m", []byte(config)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", config, err)
		}
	}
}
