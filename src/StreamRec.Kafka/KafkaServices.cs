using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace StreamRec.Kafka;

/// <summary>Registers what of this stage needs no other stage.</summary>
public static class KafkaServices
{
    /// <summary>Adds the validated <see cref="KafkaOptions"/> and <see cref="Ingest.CompletedOffsets"/>; readers and writers are made with the connected <see cref="KafkaCluster"/>.</summary>
    public static IServiceCollection AddStreamRecKafka(this IServiceCollection services)
    {
        services.AddOptions<KafkaOptions>().BindConfiguration(KafkaOptions.SectionName).ValidateOnStart();
        services.AddSingleton<IValidateOptions<KafkaOptions>, KafkaOptionsValidator>();
        services.AddSingleton<Ingest.CompletedOffsets>();
        services.AddSingleton<Domain.ICompletedOffsets>(provider => provider.GetRequiredService<Ingest.CompletedOffsets>());
        return services;
    }
}
