using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace StreamRec.Journal;

public static class ServiceCollectionExtensions
{
    /// <summary>
    /// Registers <see cref="JournalOptions"/> and its validation. Opening takes time and can fail, so the host does it in its
    /// start-up.
    /// </summary>
    public static IServiceCollection AddStreamRecJournal(this IServiceCollection services)
    {
        services.AddOptions<JournalOptions>().BindConfiguration(JournalOptions.SectionName).ValidateOnStart();
        services.AddSingleton<IValidateOptions<JournalOptions>, JournalOptionsValidator>();
        return services;
    }
}
