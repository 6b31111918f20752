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
	"google.golang.org/protobuf/proto"

	"anycable_rpc/benchmarks/pb"
)

const service = "anycable.RPC"

// serve is a gRPC server that only reads and writes the messages. With --bytes it does even less than a real server
// can: it reads no further than the name of the command, and answers with bytes made beforehand.
func serve(arguments []string) (any, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	path := flags.String("calls", "", "the file of calls, with their answers")
	bytes := flags.Bool("bytes", false, "do without protobuf")
	_ = flags.Parse(arguments)
	calls, err := readCalls(*path)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	options := []grpc.ServerOption{grpc.KeepaliveEnforcementPolicy(
		keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true})}
	respond := messages
	if *bytes {
		options, respond = append(options, grpc.ForceServerCodec(fallback{})), prepared
	}
	methods, err := respond(calls)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, healthserver.NewServer())
	server.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Methods: methods}, nil)
	fmt.Printf("listening on %s\n", listener.Addr())
	return nil, server.Serve(listener)
}

var unknown = status.Error(codes.Unimplemented, "not one of the calls of the file")

// messages are methods that read a message and write one.
func messages(calls []call) ([]grpc.MethodDesc, error) {
	connected, done := new(pb.ConnectionResponse), map[string]*pb.CommandResponse{}
	for _, one := range calls {
		if one.Method == "Connect" {
			if err := proto.Unmarshal(one.Answer, connected); err != nil {
				return nil, err
			}
			continue
		}
		request, answer := new(pb.CommandMessage), new(pb.CommandResponse)
		if err := proto.Unmarshal(one.Data, request); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(one.Answer, answer); err != nil {
			return nil, err
		}
		done[request.Command] = answer
	}
	connect := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		return connected, decode(new(pb.ConnectionRequest))
	}
	command := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := new(pb.CommandMessage)
		if err := decode(request); err != nil {
			return nil, err
		}
		if answer, ok := done[request.Command]; ok {
			return answer, nil
		}
		return nil, unknown
	}
	return []grpc.MethodDesc{{MethodName: "Connect", Handler: connect}, {MethodName: "Command", Handler: command}}, nil
}

// prepared are methods that pass bytes.
func prepared(calls []call) ([]grpc.MethodDesc, error) {
	answers, methods := map[string][]byte{}, []grpc.MethodDesc{}
	for _, one := range calls {
		answers[one.Method+commandOf(one.Method, one.Data)] = one.Answer
	}
	for _, method := range []string{"Connect", "Command"} {
		methods = append(methods, grpc.MethodDesc{MethodName: method, Handler: handler(method, answers)})
	}
	return methods, nil
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
		return nil, unknown
	}
}

// commandOf returns the first field of a CommandMessage: its tag, a length of one byte, the string.
func commandOf(method string, data []byte) string {
	if method != "Command" || len(data) < 2 || data[0] != 0x0a || len(data) < 2+int(data[1]) {
		return ""
	}
	return string(data[2 : 2+int(data[1])])
}
