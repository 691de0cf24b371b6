package dev.causal4j.springboot;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.hub.Hub;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.springai.Causal4jChatModel;
import dev.causal4j.springai.Causal4jEmbeddingModel;
import dev.causal4j.springboot.Causal4jModels.Loaded;
import dev.causal4j.springboot.Causal4jProperties.ChatSettings;
import dev.causal4j.springboot.Causal4jProperties.EmbeddingSettings;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;
import org.springframework.ai.chat.client.AdvisorParams;
import org.springframework.ai.chat.client.ChatClientBuilderCustomizer;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.observation.ChatModelObservationConvention;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationConvention;
import org.springframework.ai.model.SpringAIModelProperties;
import org.springframework.aop.framework.ProxyFactory;
import org.springframework.aop.target.AbstractLazyCreationTargetSource;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/**
 * Beans of a causal language model in this process: a {@link ChatModel} with its {@link CausalLM} and {@link Engine},
 * if {@code spring.ai.model.chat} is {@code causal4j} or not set; an {@link EmbeddingModel}, if {@code
 * spring.ai.causal4j.embedding.model} is set; health and meters. The model and engine that embed are injected by name
 * alone.
 */
@AutoConfiguration(beforeName = "org.springframework.ai.model.chat.client.autoconfigure.ChatClientAutoConfiguration")
@EnableConfigurationProperties(Causal4jProperties.class)
public class Causal4jAutoConfiguration {
    private static final String OURS = "causal4j";
    private static final String PLAIN = "plain";
    private static final String NO_TEMPLATE =
            "expected one, since the model's files have none, got none; set it to a file, or to " + PLAIN;

    @Bean
    Causal4jMeters causal4jMeters(ObjectProvider<MeterRegistry> registry) {
        return new Causal4jMeters(registry);
    }

    @Bean
    Causal4jModels causal4jModels(Causal4jProperties properties, ObjectProvider<Hub> hub, Causal4jMeters meters) {
        return new Causal4jModels(properties, hub.stream().findFirst(), meters::add);
    }

    /** A model, or a proxy of one that is made at its first call. */
    private static <T> T model(Class<T> type, boolean lazy, Supplier<T> made) {
        if (!lazy) {
            return made.get();
        }
        return ProxyFactory.getProxy(type, new AbstractLazyCreationTargetSource() {
            @Override
            protected Object createObject() {
                return made.get();
            }
        });
    }

    /** The model that answers. Its {@link CausalLM} and engine are beans once somebody asks for them. */
    @Configuration(proxyBeanMethods = false)
    @ConditionalOnProperty(name = SpringAIModelProperties.CHAT_MODEL, havingValue = OURS, matchIfMissing = true)
    @ConditionalOnMissingBean(Causal4jChatModel.class)
    static class ChatBeans {
        @Lazy
        @Bean(destroyMethod = "")
        CausalLM causal4jCausalLM(Causal4jModels models) {
            return models.chat().model();
        }

        @Lazy
        @Bean(destroyMethod = "")
        Engine causal4jEngine(Causal4jModels models) {
            return models.chat().engine();
        }

        @Bean
        ChatModel causal4jChatModel(
                Causal4jModels models,
                Causal4jProperties properties,
                ObjectProvider<ChatTemplate> template,
                ObjectProvider<ObservationRegistry> observations,
                ObjectProvider<ChatModelObservationConvention> convention) {
            ChatSettings chat = properties.chat();
            return model(ChatModel.class, properties.lazy(), () -> {
                Loaded own = models.chat();
                Causal4jChatModel.Builder builder = Causal4jChatModel.builder()
                        .engine(own.engine())
                        .chatTemplate(template.getIfUnique(() -> PropertyException.naming(
                                Causal4jProperties.CHAT + ".template", chat.template(), () -> template(chat, own))))
                        .options(chat.options())
                        .observationRegistry(observations.getIfUnique(() -> ObservationRegistry.NOOP))
                        .observationConvention(convention.getIfUnique());
                return PropertyException.naming(Causal4jProperties.CHAT, null, builder::build);
            });
        }

        private static ChatTemplate template(ChatSettings chat, Loaded own) throws IOException {
            String file = chat.template();
            if (file != null && !file.equals(PLAIN)) {
                Map<String, String> tokens = own.templates().specialTokens();
                return ChatTemplate.parse(file, Files.readString(Path.of(file)), tokens);
            }
            return file != null || Causal4jModels.EMBEDDED.equals(chat.model())
                    ? ChatTemplate.plain()
                    : own.model().chatTemplate().orElseThrow(() -> new IllegalArgumentException(NO_TEMPLATE));
        }

        /** For clients of this model alone: those of others describe schemas in the prompt. */
        @Bean
        ChatClientBuilderCustomizer causal4jChatClientBuilderCustomizer(
                Causal4jProperties properties,
                @Qualifier("causal4jChatModel") ChatModel own,
                ObjectProvider<ChatModel> all) {
            return client -> {
                if (properties.chat().nativeStructuredOutput() && own.equals(all.getIfUnique())) {
                    client.defaultAdvisors(AdvisorParams.ENABLE_NATIVE_STRUCTURED_OUTPUT);
                }
            };
        }
    }

    /** The model that embeds. */
    @Configuration(proxyBeanMethods = false)
    @ConditionalOnProperty(Causal4jProperties.EMBEDDING + ".model")
    @ConditionalOnProperty(name = SpringAIModelProperties.EMBEDDING_MODEL, havingValue = OURS, matchIfMissing = true)
    @ConditionalOnMissingBean(Causal4jEmbeddingModel.class)
    static class EmbeddingBeans {
        @Lazy
        @Bean(defaultCandidate = false, destroyMethod = "")
        CausalLM causal4jEmbeddingCausalLM(Causal4jModels models) {
            return models.embedding().model();
        }

        @Lazy
        @Bean(defaultCandidate = false, destroyMethod = "")
        Engine causal4jEmbeddingEngine(Causal4jModels models) {
            return models.embedding().engine();
        }

        @Bean
        EmbeddingModel causal4jEmbeddingModel(
                Causal4jModels models,
                Causal4jProperties properties,
                ObjectProvider<ObservationRegistry> observations,
                ObjectProvider<EmbeddingModelObservationConvention> convention) {
            EmbeddingSettings embedding = properties.embedding();
            return model(EmbeddingModel.class, properties.lazy(), () -> {
                Loaded own = models.embedding();
                Pooling pooling = embedding.pooling();
                Embedder plain = Embedder.of(own.model());
                return Causal4jEmbeddingModel.builder()
                        .embedder(pooling == null ? plain : new Embedder(own.model(), pooling, true))
                        .engine(own.engine())
                        .metadataMode(embedding.metadataMode())
                        .observationRegistry(observations.getIfUnique(() -> ObservationRegistry.NOOP))
                        .observationConvention(convention.getIfUnique())
                        .build();
            });
        }
    }

    /** Health, with a detail for each model that is loaded. */
    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(HealthIndicator.class)
    @ConditionalOnEnabledHealthIndicator(OURS)
    static class HealthBeans {
        /** A model, as the endpoint shows it. */
        record Detail(String dtype, int context, String kernels, int running, int waiting) {}

        @Bean
        HealthIndicator causal4jHealthIndicator(Causal4jModels models) {
            return () -> {
                Health.Builder health = models.loaded.isEmpty() ? Health.unknown() : Health.up();
                models.loaded.forEach(each -> health.withDetail(each.name(), detail(each)));
                return health.build();
            };
        }

        private static Detail detail(Loaded each) {
            String dtype = each.model().dtype().label();
            int running = each.engine().running();
            int waiting = each.engine().waiting();
            return new Detail(dtype, each.model().contextLength(), each.kernels(), running, waiting);
        }
    }
}
