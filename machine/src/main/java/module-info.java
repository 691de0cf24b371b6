/** Products of whole numbers in machine code: found as a service, needed by nobody. */
module dev.causal4j.machine {
    requires dev.causal4j;
    requires static transitive org.jspecify;

    provides dev.causal4j.kernel.choice.KernelProvider with
            dev.causal4j.machine.MachineKernels;
}
