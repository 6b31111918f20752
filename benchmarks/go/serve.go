package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthserver "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const service = "anycable.RPC"

// serve is a gRPC server as bare as one can be: it reads no message further than the name of the command, and
// answers with bytes made beforehand.
func serve(arguments []string) (any, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	path := flags.String("calls", "", "the file of calls, with their answers")
	_ = flags.Parse(arguments)
	calls, err := readCalls(*path)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(
		keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}), grpc.ForceServerCodec(fallback{}))
	grpc_health_v1.RegisterHealthServer(server, healthserver.NewServer())
	server.RegisterService(described(calls), nil)
	fmt.Printf("listening on %s\n", listener.Addr())
	return nil, server.Serve(listener)
}

func described(calls []call) *grpc.ServiceDesc {
	answers := map[string][]byte{}
	for _, one := range calls {
		answers[one.Method+commandOf(one.Method, one.Data)] = one.Answer
	}
	description := &grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil)}
	for _, method := range []string{"Connect", "Command", "Disconnect"} {
		description.Methods = append(description.Methods, grpc.MethodDesc{MethodName: method, Handler: handler(method, answers)})
	}
	return description
}

func handler(method string, answers map[string][]byte) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var data []byte
		if err := decode(&data); err != nil {
			return nil, err
		}
		if answer, ok := answers[method+commandOf(method, data)]; ok {
			return answer, nil
		}
		return nil, status.Error(codes.Unimplemented, "not one of the calls of the file")
	}
}

// commandOf is the first field of a CommandMessage: its tag, a length of one byte, the text.
func commandOf(method string, data []byte) string {
	if method != "Command" || len(data) < 2 || data[0] != 0x0a || len(data) < 2+int(data[1]) {
		return ""
	}
	return string(data[2 : 2+int(data[1])])
}
