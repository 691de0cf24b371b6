package dev.causal4j.generation;

import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A process that fills a prefix store until it is killed. */
final class StoringProcess {
    private StoringProcess() {}

    /** Arguments: the folders of the model and of the store, and a seed. Prints a line for each prompt. */
    public static void main(String[] args) throws IOException {
        CausalLM model = CausalLM.load(Path.of(args[0]), LoadOptions.DEFAULT.withDigests(true));
        PrefixStore store = PrefixStore.open(Path.of(args[1]), 12_000_000);
        Engine engine = new Engine(model, EngineOptions.DEFAULT.withPrefixStore(store));
        int seed = Integer.parseInt(args[2]);
        while (ProcessHandle.current().parent().orElseThrow().isAlive()) {
            Generation made =
                    engine.submit(request(seed++ % PROMPTS), TokenListener.NONE).join();
            System.out.println(made.timing().cachedTokens());
        }
    }

    /** How many prompts there are; together they are larger than the store. */
    static final int PROMPTS = 5;

    static GenerationRequest request(int prompt) {
        return new GenerationRequest(
                PrefixStoreFixture.prompt(prompt, 260 + 64 * prompt), PrefixStoreFixture.options());
    }

    static Process begin(Path model, Path store, int seed) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path")));
        command.addAll(List.of(StoringProcess.class.getName(), model.toString(), store.toString(), "" + seed));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }
}
