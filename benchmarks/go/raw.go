package main

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// raw passes messages through as bytes: no generated code, and no protobuf work in the load generator. It has
// protobuf's name, so that the content type is the usual one.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) ([]byte, error) {
	if data, ok := message.([]byte); ok {
		return data, nil
	}
	return nil, fmt.Errorf("%T is not bytes", message)
}

func (raw) Unmarshal(data []byte, message any) error {
	if target, ok := message.(*[]byte); ok {
		*target = append((*target)[:0], data...)
		return nil
	}
	return fmt.Errorf("%T is not a pointer to bytes", message)
}

// fallback is raw for bytes, and protobuf for other messages: those of the health service.
type fallback struct{ raw }

func (fallback) Marshal(message any) ([]byte, error) {
	if typed, ok := message.(proto.Message); ok {
		return proto.Marshal(typed)
	}
	return raw{}.Marshal(message)
}

func (fallback) Unmarshal(data []byte, message any) error {
	if typed, ok := message.(proto.Message); ok {
		return proto.Unmarshal(data, typed)
	}
	return raw{}.Unmarshal(data, message)
}
