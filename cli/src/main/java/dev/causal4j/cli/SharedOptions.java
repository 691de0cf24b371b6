package dev.causal4j.cli;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Options that several commands mix in: the base for their errors. */
abstract class SharedOptions {
    /** The command that has them. */
    @Spec(Spec.Target.MIXEE)
    CommandSpec spec;

    /** Throws if the usage is wrong. */
    final void refuse(boolean wrong, String message) {
        Usage.refuse(spec, wrong, message);
    }
}
