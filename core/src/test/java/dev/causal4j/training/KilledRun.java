package dev.causal4j.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A process that trains {@link TrainerTest}'s model, for tests that kill it or give it other kernels. */
final class KilledRun {
    private KilledRun() {}

    /**
     * Arguments: the folder, and {@code start} or {@code resume}. Prints each completed step; after the step of the
     * property {@code last} it waits to be killed.
     */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Trainer trainer = args[1].equals("start")
                ? TrainerTest.start(TrainerTest.MANY_CHECKPOINTS, folder)
                : Trainer.resume(TrainerTest.TRAINING, TrainerTest.MANY_CHECKPOINTS.withFolder(folder));
        long last = Long.getLong("last", 0);
        trainer.run(progress -> {
            System.out.println(progress.step());
            if (progress.step() == last) {
                ProcessHandle.current().parent().orElseThrow().onExit().join(); // until it is killed
            }
            return true;
        });
    }

    static Process begin(Path folder, String verb, String... flags) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "-Dcausal4j.kernels=vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path")));
        command.addAll(List.of(flags));
        command.addAll(List.of(KilledRun.class.getName(), folder.toString(), verb));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }
}
