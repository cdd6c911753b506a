// NetworkPolicies of one node, decided by kube-network-policies: its own command with a kubeconfig in place of a pod's
// ServiceAccount, because it runs beside the node and not in a pod. It judges the first packet of each connection that
// comes to its queue; whoever has no nft queue in the kernel must lead packets there by other means.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "who it is for the API server")
	node := flag.String("node", "", "the node's name")
	queue := flag.Int("queue", 100, "number of the netfilter queue")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	// It asks its NRI plugin for the pod of each address that no pod has, also where NRIdisabled left it none. So it has
	// one, which must not come to this host's own containerd: what is no socket makes it go on without a runtime.
	if err := os.Setenv("NRI_PLUGIN_SOCKET", "none"); err != nil {
		klog.Fatalf("no environment: %v", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatalf("no kubeconfig: %v", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatalf("no client: %v", err)
	}
	seen := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		seen.Networking().V1().NetworkPolicies(),
		seen.Core().V1().Namespaces(),
		seen.Core().V1().Pods(),
		nil, nil, nil, nil, // AdminNetworkPolicies are not served here
		networkpolicy.Config{NodeName: *node, QueueID: *queue},
	)
	if err != nil {
		klog.Fatalf("no controller: %v", err)
	}
	seen.Start(ctx.Done())
	if err := controller.Run(ctx); err != nil {
		klog.Fatalf("the controller ended: %v", err)
	}
}
