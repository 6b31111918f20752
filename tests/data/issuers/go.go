// Writes each line of JSON again, as Go does: integers are int64 or uint64, other numbers float64.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		decoder := json.NewDecoder(strings.NewReader(lines.Text()))
		decoder.UseNumber()
		var value any
		check(decoder.Decode(&value))
		text, err := json.Marshal(native(value))
		check(err)
		fmt.Println(string(text))
	}
	check(lines.Err())
}

func native(value any) any {
	switch value := value.(type) {
	case json.Number:
		return number(value.String())
	case []any:
		for index, item := range value {
			value[index] = native(item)
		}
	case map[string]any:
		for key, item := range value {
			value[key] = native(item)
		}
	}
	return value
}

func number(digits string) any {
	if integer, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return integer
	}
	if integer, err := strconv.ParseUint(digits, 10, 64); err == nil {
		return integer
	}
	float, err := strconv.ParseFloat(digits, 64)
	check(err)
	return float
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
